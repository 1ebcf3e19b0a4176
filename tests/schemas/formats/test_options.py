"""How records are read: what is given, what is remembered, and which of the two counts."""

import pytest

from schemas.formats.options import ReadOptions

HEADER = "<date> <time> <message>"
REMEMBERED = ReadOptions(format="text", line=HEADER, entity_field="request", source_field="service")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, REMEMBERED),
        ({"format": None, "line": None}, REMEMBERED),
        ({"format": "json"}, ReadOptions("json", None, "request", None, "service")),
        ({"format": "otlp"}, ReadOptions("otlp", None, "request", None, "service")),
        ({"format": "auto"}, ReadOptions("auto", None, "request", None, "service")),
        ({"format": "text"}, REMEMBERED),
        ({"line": "<date> <message>"}, ReadOptions("auto", "<date> <message>", "request", None, "service")),
        ({"entity_pattern": "r-[0-9]+"}, ReadOptions("text", HEADER, None, "r-[0-9]+", "service")),
        ({"source_field": "host"}, ReadOptions("text", HEADER, "request", None, "host")),
        (
            {"entity_field": "id", "entity_pattern": "r-[0-9]+"},
            ReadOptions("text", HEADER, "id", "r-[0-9]+", "service"),
        ),
    ],
)
def test_what_is_given_replaces_what_it_contradicts(
    given: dict[str, str | None], expected: ReadOptions
) -> None:
    assert REMEMBERED.override(given) == expected


def test_a_pattern_that_is_remembered_gives_way_to_a_field() -> None:
    options = ReadOptions(entity_pattern="r-[0-9]+").override({"entity_field": "id"})
    assert (options.entity_field, options.entity_pattern) == ("id", None)


def test_a_line_replaces_a_format_that_is_no_text() -> None:
    assert ReadOptions("json").override({"line": HEADER}) == ReadOptions("auto", HEADER)


def test_two_given_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="give one of them"):
        REMEMBERED.override({"format": "json", "line": HEADER})


def test_a_bundle_remembers_all_but_the_limit() -> None:
    remembered = ReadOptions(
        "text", HEADER, "request", "r", "service", "at", max_record_bytes=77
    ).remembered()
    assert remembered == {
        "format": "text",
        "line": HEADER,
        "entity_field": "request",
        "entity_pattern": "r",
        "source_field": "service",
        "time_field": "at",
    }
    assert ReadOptions().override(remembered) == ReadOptions("text", HEADER, "request", "r", "service", "at")
