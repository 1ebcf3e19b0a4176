"""docs/inputs.md: every line that it shows is read as it says there."""

import re
from pathlib import Path

import pytest

from schemas.formats.detection import TopicDecoder
from schemas.formats.names import FORMATS
from schemas.formats.options import ReadOptions

PAGE = (Path(__file__).parents[3] / "docs" / "inputs.md").read_text(encoding="utf-8")
PAGE = PAGE.partition("## JSON and binary")[2].partition("\n## ")[0]
LINES = re.findall(r"^\| `(\w+)` \| `(\{.*\})` \| (\d+), ([^,]+), ([^,]+), (.+) \|$", PAGE, re.M)


@pytest.mark.parametrize("shown", LINES, ids=[each[0] for each in LINES])
def test_a_line_is_read_as_the_page_says(shown: tuple[str, ...]) -> None:
    form, line, severity, source, entity, message = shown
    decoder = TopicDecoder(ReadOptions())
    events = decoder.decode([line.encode()], [0], [None]).events
    assert decoder.format == form
    assert (events.severity, events.source, events.message) == ([int(severity)], [source], [message])
    assert events.entity == ["" if entity == "-" else entity]
    assert events.time[0] > 1.6e9


def test_every_format_is_on_the_page() -> None:
    assert {each[0] for each in LINES} == {*FORMATS} - {"auto", "otlp_proto", "msgpack", "text"}
    for name in {*FORMATS} - {"auto", "text"}:
        assert f"\n| `{name}` | " in PAGE, name
