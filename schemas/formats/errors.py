"""Why a record could not be decoded."""

__all__ = ["DecodeError"]


class DecodeError(ValueError):
    """A record holds no event that can be used; the text says why, and ends up in a dead letter's header.

    The text up to its first colon is one of a few stable phrases, so that counts can be grouped: "empty",
    "too large", "binary", "broken", "not JSON", "not an object", "too many values", "too many events",
    "not OTLP", "not MessagePack", "not Avro", "no schema", "no events".
    """
