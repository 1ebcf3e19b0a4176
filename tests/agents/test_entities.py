"""Finding what lines are about: an identifier comes back for a while; users, hosts and times do not."""

import json
import random
from collections.abc import Callable, Iterator

import pytest

from agents.entities import find_entity
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions

Line = Callable[[int, str, random.Random], bytes]


def requests(rng: random.Random, count: int = 300) -> Iterator[str]:
    """Identifiers of the lines in order: five requests at a time, of three to nine lines each."""
    live: list[list[str]] = []
    made = 0
    while made < count or live:
        if made < count and len(live) < 5:
            made += 1
            live.append([f"{rng.randrange(16**12):012x}"] * rng.randrange(3, 10))
        request = rng.choice(live)
        yield request.pop()
        live = [each for each in live if each]


def record(time: int, **fields: object) -> bytes:
    return json.dumps({"time": 1.7e9 + time, "level": "info", "service": "api", **fields}).encode()


PLAIN = ReadOptions()


def found(line: Line, options: ReadOptions = PLAIN) -> ReadOptions | None:
    rng = random.Random(1)
    lines = [line(i, name, rng) for i, name in enumerate(requests(rng))]
    events = TopicDecoder(options).decode(lines, range(len(lines)), [None] * len(lines)).events
    candidate = find_entity(lines, events, options)
    return candidate.options if candidate else None


def test_a_field_of_any_name() -> None:
    def line(i: int, name: str, rng: random.Random) -> bytes:
        return record(i, message="step", job=name, user=f"u{rng.randrange(40)}", host="h1", seq=i, pid=4)

    chosen = found(line)
    assert chosen is not None
    assert (chosen.entity_field, chosen.entity_pattern) == ("job", None)


@pytest.mark.parametrize(
    ("prefix", "pattern"), [("job-", r"\bjob\-[0-9a-f-]+"), ("task_", r"\btask_[0-9a-f-]+")]
)
def test_a_token_in_messages(prefix: str, pattern: str) -> None:
    def line(i: int, name: str, rng: random.Random) -> bytes:
        return record(
            i, message=f"step of {prefix}{name} on node-{rng.randrange(9)} took {rng.random():.3f} s"
        )

    chosen = found(line)
    assert chosen is not None
    assert (chosen.entity_field, chosen.entity_pattern) == (None, pattern)


def test_of_a_trace_and_its_spans_the_trace() -> None:
    def line(i: int, name: str, rng: random.Random) -> bytes:
        return record(i, message="step", span=f"{name}/{i % 2}", trace=name)

    chosen = found(line)
    assert chosen is not None
    assert chosen.entity_field == "trace"


def test_what_comes_back_for_ever_or_never_is_none() -> None:
    def line(i: int, _: str, rng: random.Random) -> bytes:
        return record(
            i,
            message=f"user-{rng.randrange(30)} read file-{i}",
            host=f"h{i % 12}",
            n=i,
            at=f"2026-01-01T00:{i // 60 % 60:02}:00Z",
        )

    assert found(line) is None


def test_what_is_said_or_has_a_usual_name_stands() -> None:
    def line(i: int, name: str, rng: random.Random) -> bytes:
        return record(i, message="step", job=name, trace_id=name)

    assert found(line) is None
    assert found(line, ReadOptions(entity_field="job")) is None


def test_hostile_records_are_no_objects() -> None:
    values = [b"", None, b"[" * 5000, b'{"a":', b"\xff", b'{"a": {"b": "c"}}', b'{"x": NaN}'] * 50
    events = TopicDecoder(ReadOptions()).decode(values, range(len(values)), [None] * len(values)).events
    assert find_entity(values, events, ReadOptions()) is None
