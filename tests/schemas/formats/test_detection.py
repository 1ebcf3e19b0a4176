"""Topics to events: detection, batching, and bad input of every kind."""

import gzip
import math
from itertools import pairwise
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EventBatch
from schemas.formats.detection import TEXT_AFTER, Decoded, TopicDecoder
from schemas.formats.options import Format, ReadOptions

NOW = 1_714_566_896.0
GOOD = orjson.dumps({"time": NOW, "level": "info", "service": "pay", "message": "ok"})
OTLP = orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "o"}}] * 2}]}]})


def decode(*values: bytes | None, decoder: TopicDecoder | None = None, **options: Any) -> Decoded:
    decoder = decoder or TopicDecoder(ReadOptions(**options))
    return decoder.decode(values, range(len(values)), [NOW] * len(values))


def reasons(decoded: Decoded) -> list[tuple[int, str]]:
    return [(index, reason.split(":")[0]) for index, reason in decoded.failures]


# ---- bad input, by name: used with what is known, or told as a failure; its neighbours are untouched ----

USED = {
    "wrong types": b'{"time":[],"level":{},"service":7,"message":["a"],"trace_id":{}}',
    "no timestamp": b'{"message":"x"}',
    "timestamp decades ahead": b'{"message":"x","time":"2089-01-01T00:00:00Z"}',
    "timestamp decades ago": b'{"message":"x","time":"1971-01-01T00:00:00Z"}',
    "unknown severity": b'{"message":"x","level":"purple"}',
    "5 MB message": b'{"message":"' + b"word " * 1_000_000 + b'"}',
    "token of one megabyte": b'{"message":"' + b"x" * 1_000_000 + b'"}',
    "invalid UTF-8": b'{"message":"caf\xe9"}',
    "byte order mark": b'\xef\xbb\xbf{"message":"x"}',
    "deep but readable nesting": b'{"message":' + b"[" * 1_000 + b"]" * 1_000 + b"}",
    "control characters": b'{"message":"a\\u0000\\u001b[31m\\n"}',
    "number beyond 64 bits": b'{"message":"x","n":123456789012345678901234567890}',
    "empty object": b"{}",
}
FAILED = {
    "empty value": (b"", "empty"),
    "tombstone": (None, "empty"),
    "white space": (b" \r\n\t", "empty"),
    "broken JSON": (b'{"message":"x",}', "not JSON"),
    "truncated JSON": (b'{"message":"x', "not JSON"),
    "not JSON at all": (b"garbage", "not JSON"),
    "a NUL byte": (b"garbage \x00", "binary"),
    "no UTF-8": (b"\xff\xfeg\xe9\xe9\xe9", "binary"),
    "gzip that is cut off": (gzip.compress(GOOD)[:-4], "broken"),
    "Zstandard that is damaged": (zstandard.compress(GOOD)[:6] + b"\xff" * 9, "broken"),
    "NaN": (b'{"message":"x","n":NaN}', "not JSON"),
    "infinity": (b'{"message":"x","n":1e999}', "not JSON"),
    "lone surrogate": (b'{"message":"\\ud800"}', "not JSON"),
    "nesting 10,000 deep": (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "not JSON"),
    "a million objects": (b"[" + b",".join([b"{}"] * 600_000) + b"]", "too many values"),
    "too many events": (b"[" + b",".join([b"{}"] * 10_001) + b"]", "too many events"),
    "scalar": (b'"text"', "not an object"),
    "null": (b"null", "not an object"),
    "empty array": (b"[]", "no events"),
    "array of scalars": (b'[{"message":"x"},1]', "not an object"),
    "larger than allowed": (b'{"message":"' + b"x" * 16_777_216 + b'"}', "too large"),
}


@pytest.mark.parametrize("name", USED)
def test_bad_input_that_is_used(name: str) -> None:
    decoded = decode(GOOD, USED[name], GOOD)
    assert decoded.failures == []
    events = decoded.events
    assert events.offset == [0, 1, 2]
    assert events.time[1] == NOW
    assert events.severity[1] == 0
    assert 0 < len(events.message[1]) <= 65_536
    assert events.message[0] == events.message[2] == "ok"


@pytest.mark.parametrize("name", FAILED)
def test_bad_input_that_fails(name: str) -> None:
    value, reason = FAILED[name]
    decoded = decode(GOOD, value, GOOD)
    assert reasons(decoded) == [(1, reason)]
    assert decoded.events.offset == [0, 2]


@pytest.mark.parametrize("name", USED | FAILED)
def test_bad_input_on_a_topic_of_text_is_a_line(name: str) -> None:
    value = USED.get(name) or FAILED[name][0]
    decoded = decode(b"INFO fine", value, format="text")
    told = ("empty", "too large", "binary", "broken")
    expected = [(1, FAILED[name][1])] if name in FAILED and FAILED[name][1] in told else []
    assert reasons(decoded) == expected
    assert len(decoded.events) == 2 - len(expected)


# ---- detection ----


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ([GOOD], "json"),
        ([b'[{"msg":"x"}]'], "json"),
        ([OTLP], "otlp"),
        ([b"garbage", b'{"cut', GOOD], "json"),
        ([b"INFO a line"], "auto"),
        ([b"", None], "auto"),
        ([b"[2024-05-01 12:34:56] INFO x"] * TEXT_AFTER, "text"),
        ([b"1"] * (TEXT_AFTER - 1) + [GOOD], "json"),
        ([b"1"] * TEXT_AFTER + [GOOD], "text"),
    ],
)
def test_the_format_is_detected(values: list[bytes | None], form: str) -> None:
    decoder = TopicDecoder(ReadOptions())
    assert decoder.format == "auto"
    decode(*values, decoder=decoder)
    assert decoder.format == form


def test_the_format_stays() -> None:
    decoder = TopicDecoder(ReadOptions())
    decoded = decode(GOOD, b"a line", OTLP, decoder=decoder)
    assert decoder.format == "json"
    assert reasons(decoded) == [(1, "not JSON")]
    assert len(decoded.events) == 2
    assert decode(OTLP, GOOD).failures[0][0] == 1


def test_a_line_pattern_means_text() -> None:
    decoder = TopicDecoder(ReadOptions(line="<level> <message>"))
    assert decoder.format == "text"
    assert decode(b"INFO {}", decoder=decoder).events.message == ["{}"]


@pytest.mark.parametrize(
    "options",
    [
        {"format": "xml"},
        {"format": "json", "line": "<message>"},
        {"line": "x"},
        {"entity_pattern": "("},
        {"max_record_bytes": 0},
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"use one of|give one|write it|at least"):
        ReadOptions(**options)


def test_a_state_restores_and_a_foreign_one_is_refused() -> None:
    decoder = TopicDecoder(ReadOptions())
    decode(GOOD, decoder=decoder)
    other = TopicDecoder(ReadOptions())
    other.resume(decoder.snapshot())
    assert other.format == "json"
    with pytest.raises(ValueError, match="not a snapshot"):
        other.resume(b'{"format": "xml", "undecided": 0, "source": ""}')


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="zip"):
        TopicDecoder(ReadOptions()).decode([GOOD], [0, 1], [None])


def test_why_and_doubt_are_told_and_survive_a_restart() -> None:
    decoder = TopicDecoder(ReadOptions())
    assert (decoder.why, decoder.doubt) == ("", "")
    decode(b"INFO a line", b"\x00\x00\x00\x00\x07\x02a", decoder=decoder)
    assert decoder.doubt == "1 of 2 records could not be decoded as any known format"
    other = TopicDecoder(ReadOptions())
    other.resume(decoder.snapshot())
    assert other.doubt == decoder.doubt
    decode(*[OTLP] * 20, decoder=other)
    assert (other.format, other.why, other.doubt) == ("otlp", "it has resourceLogs", "")
    again = TopicDecoder(ReadOptions())
    again.resume(other.snapshot())
    assert again.why == other.why


def test_text_is_in_doubt_until_there_is_enough_of_it() -> None:
    decoder = TopicDecoder(ReadOptions())
    decode(b"INFO a line", decoder=decoder)
    assert decoder.doubt == "no record is JSON or of another known format; 1 were read as text"
    decode(*[b"INFO a line"] * TEXT_AFTER, decoder=decoder)
    assert (decoder.format, decoder.why, decoder.doubt) == ("text", "32 records held no JSON object", "")


def test_binary_records_make_no_topic_of_text() -> None:
    decoder = TopicDecoder(ReadOptions())
    found = decode(*[b"\x00\x00\x00\x00\x07\x02a"] * (TEXT_AFTER + 1), GOOD, decoder=decoder)
    assert (decoder.format, len(found.failures), found.events.message) == ("json", TEXT_AFTER + 1, ["ok"])


CRI = [
    b"2024-05-01T12:34:56Z stdout P ERROR one line",
    b"2024-05-01T12:34:56Z stderr F WARN another",
    b"2024-05-01T12:34:57Z stdout F  in two parts",
]
FLUENT_BIT = [
    orjson.dumps({"@timestamp": NOW, "stream": "stdout", "log": log, **rest, "kubernetes": {"pod_name": pod}})
    for pod, log, rest in [
        ("a", "2024-05-01T12:34:56Z stdout P ERROR of", {}),
        ("b", "2024-05-01T12:34:56Z stdout F WARN alone", {}),
        ("c", "INFO by its", {"_p": "P"}),
        ("a", "2024-05-01T12:34:56Z stdout F  a", {}),
        ("c", " tag", {"_p": "F"}),
    ]
]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (CRI, [(13, "unknown", "another", 1), (17, "unknown", "one line in two parts", 2)]),
        (FLUENT_BIT, [(13, "b", "alone", 1), (17, "a", "of a", 3), (9, "c", "by its tag", 4)]),
    ],
)
def test_parts_of_lines_are_joined_over_a_restart(values: list[bytes], said: list[tuple[Any, ...]]) -> None:
    decoder, found = TopicDecoder(ReadOptions()), []
    for offset, value in enumerate(values):
        decoded = decoder.decode([value], [offset], [NOW])
        assert decoded.failures == []
        events = decoded.events
        found += zip(events.severity, events.source, events.message, events.offset, strict=True)
        other = TopicDecoder(ReadOptions())
        other.resume(decoder.snapshot())
        decoder = other
    assert found == said


PARTS = [
    (b"a", b"2024-05-01T12:34:56Z stdout P a begins,"),
    (b"b", b"2024-05-01T12:34:56Z stdout P b begins,"),
    (None, b"2024-05-01T12:34:56Z stdout P none begins,"),
    (b"a" * 300, b"2024-05-01T12:34:56Z stdout P long begins,"),
    (b"a", b"2024-05-01T12:34:57Z stdout F  a ends"),
    (None, b"2024-05-01T12:34:57Z stdout F  none ends"),
    (b"\xff", b"2024-05-01T12:34:57Z stdout F nobody ends"),
    (b"b", b"2024-05-01T12:34:57Z stdout F  b ends"),
    (b"a" * 300, b"2024-05-01T12:34:57Z stdout F  long ends"),
]


@pytest.mark.parametrize("size", [1, 2, len(PARTS)])
def test_parts_of_raw_lines_are_joined_within_a_key_however_records_are_cut(size: int) -> None:
    decoder, said = TopicDecoder(ReadOptions(format="text")), []
    for first in range(0, len(PARTS), size):
        keys, values = zip(*PARTS[first : first + size], strict=True)
        offsets = range(first, first + len(values))
        said += decoder.decode(values, offsets, [NOW] * len(values), None, keys).events.message
    assert said == [
        "a begins, a ends", "none begins, none ends", "nobody ends", "b begins, b ends",
        "long begins, long ends",
    ]  # fmt: skip


@pytest.mark.parametrize("place", ["container_name", "namespace_name", "tag", "file", "path"])
def test_parts_from_fluent_bit_are_joined_by_whatever_tells_containers_apart(place: str) -> None:
    """Two containers of one pod, or of pods of one name, without an id."""

    def record(who: str, part: str, log: str) -> bytes:
        about = {"pod_name": "web-1"} | ({place: who} if place.endswith("_name") else {})
        outside = {} if place.endswith("_name") else {place: who}
        return orjson.dumps({"date": NOW, "log": log, "_p": part, "kubernetes": about, **outside})

    values = [
        record(who, part, f"{who} {part}")
        for who, part in (("app", "P"), ("proxy", "P"), ("app", "F"), ("proxy", "F"))
    ]
    decoded = TopicDecoder(ReadOptions()).decode(values, range(4), [NOW] * 4)
    assert decoded.events.message == ["app Papp F", "proxy Pproxy F"]


# ---- properties ----

FRAGMENTS = st.sampled_from(
    [
        GOOD,
        OTLP,
        b"",
        b" ",
        b'{"message":',
        b"[",
        b"null",
        b"INFO a.b x",
        b"2024-05-01 12:34:56 7 WARN a.b: c",
        b"\xff",
        b"\x00\x00\x00\x00\x07\x02a",
        gzip.compress(GOOD),
        zstandard.compress(OTLP),
        b"\x0a\x0a\x12\x08\x12\x06\x2a\x04\x0a\x02hi",
        b"\x81\xa3msg\xa1x",
    ]
)
RECORDS = st.lists(
    st.none() | FRAGMENTS | st.binary(max_size=60) | st.lists(FRAGMENTS, max_size=4).map(b"".join),
    max_size=12,
)
OPTIONS = st.sampled_from(
    [
        ReadOptions(),
        ReadOptions(format="json", entity_field="a.b", source_field="c"),
        ReadOptions(format="otlp_proto"),
        ReadOptions(format="msgpack", source_field="msg"),
        ReadOptions(format="gelf", entity_field="trace_id"),
        ReadOptions(format="otlp", entity_pattern=r"\d+x"),
        ReadOptions(format="text", entity_pattern=r"(a|b)+"),
        ReadOptions(line="<date> <time> <pid> <level> <logger>: <message>"),
    ]
)


def same(a: EventBatch, b: EventBatch) -> bool:
    """Equality with NaN equal to itself."""
    return repr(a) == repr(b)


@given(RECORDS, OPTIONS)
def test_no_bytes_raise_and_none_are_lost(values: list[bytes | None], options: ReadOptions) -> None:
    decoded = TopicDecoder(options).decode(values, range(len(values)), [None] * len(values))
    events = decoded.events
    assert sorted({*events.offset} | {i for i, _ in decoded.failures}) == list(range(len(values)))
    assert not {*events.offset} & {i for i, _ in decoded.failures}
    assert {len(getattr(events, column)) for column in EventBatch.__slots__} == {len(events)}
    assert all(0 <= severity <= 24 for severity in events.severity)
    assert all(math.isnan(t) or t > 0 for t in events.time)
    assert all(events.source)
    "".join(events.message + events.source + events.entity).encode()


@given(RECORDS, OPTIONS, st.lists(st.integers(0, 12), max_size=4))
def test_batching_changes_no_result(
    values: list[bytes | None], options: ReadOptions, cuts: list[int]
) -> None:
    whole = TopicDecoder(options).decode(values, range(len(values)), [NOW] * len(values))
    decoder, parts, failures = TopicDecoder(options), EventBatch(), []
    edges = sorted({0, len(values), *(cut for cut in cuts if cut < len(values))})
    for begin, end in pairwise(edges):
        part = decoder.decode(values[begin:end], range(begin, end), [NOW] * (end - begin))
        for column in EventBatch.__slots__:
            getattr(parts, column).extend(getattr(part.events, column))
        failures += [(begin + i, reason) for i, reason in part.failures]
    assert same(parts, whole.events)
    assert failures == whole.failures


@pytest.mark.parametrize("form", ["json", "otlp", "text"])
def test_an_event_time_never_depends_on_the_clock_here(form: Format) -> None:
    values = {"json": GOOD, "otlp": OTLP, "text": b"INFO x"}
    decoded = TopicDecoder(ReadOptions(format=form)).decode([values[form]], [0], [NOW - 1e9])
    assert set(decoded.events.time) == {NOW - 1e9}
