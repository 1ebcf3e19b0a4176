"""Records of the keyed topic: exact, bounded, and nothing else is taken."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EventBatch
from schemas.keyed import MOST_ROWS, KeyedEvents, decode_keyed

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def batches(draw: st.DrawFn) -> KeyedEvents:
    n = draw(st.integers(0, 12))
    row = st.tuples(
        st.floats(0.0, 4e9), st.integers(0, 24), TEXT, TEXT, TEXT,
        st.none() | st.dictionaries(TEXT, NUMBER, min_size=1, max_size=3),
    )  # fmt: skip
    offsets = sorted(draw(st.sets(st.tuples(st.integers(0, 99), st.integers(0, 3)), min_size=n, max_size=n)))
    rows = [(*draw(row), offset, record, draw(TEXT)) for offset, record in offsets]
    places = sorted(draw(st.lists(st.floats(0.0, 4e9), min_size=n, max_size=n)))
    clock = max([0.0, *places])
    ties = draw(st.lists(st.floats(0.0, 4e9), min_size=n, max_size=n))
    partition, idle = draw(st.integers(0, 7)), draw(st.booleans())
    return KeyedEvents("logs", partition, 8, clock, 5.0, idle, places, ties, EventBatch.of(rows))


def parts(keyed: KeyedEvents) -> dict[str, Any]:
    return {name: getattr(keyed, name) for name in KeyedEvents.__slots__}


@given(batches())
def test_events_survive_exactly(keyed: KeyedEvents) -> None:
    (value,) = keyed.encode()
    assert parts(decode_keyed(value)) == parts(keyed)


def test_an_event_without_a_time_has_none_and_half_a_pair_is_replaced() -> None:
    events = EventBatch.of([(float("nan"), 0, "s", "", "a \ud800 b", {"n\udfff": 1.5}, 4, 0, "")])
    (value,) = KeyedEvents("logs", 0, 1, 9.0, places=[9.0], ties=[0.0], events=events).encode()
    (time,), (message,) = decode_keyed(value).events.time, decode_keyed(value).events.message
    assert time != time
    assert message == "a ? b"


def test_what_is_large_is_several_records_with_each_the_time_it_has_reached() -> None:
    n = 3 * MOST_ROWS
    rows = [
        (float(i), 9, "s", f"r{i}", f"message {i * 7919 % 10007} " * 20, None, i, 0, "") for i in range(n)
    ]
    events = EventBatch.of(rows)
    values = list(KeyedEvents("logs", 0, 1, float(n), 3.0, False, events.time, events.time, events).encode())
    found = [decode_keyed(value) for value in values]
    assert len(found) >= 3
    assert max(map(len, values)) <= 512 * 1024
    assert [offset for each in found for offset in each.events.offset] == list(range(n))
    assert [each.clock for each in found[:-1]] == [each.places[-1] for each in found[:-1]]
    assert [each.tie for each in found[:-1]] == [each.ties[-1] for each in found[:-1]]
    assert (found[-1].clock, found[-1].tie) == (n, 3.0)


def record(**changes: Any) -> bytes:
    """A record that is right but for some changes."""
    right: dict[str, Any] = {
        "topic": "logs", "partition": 0, "partitions": 2, "clock": 7.0, "tie": 0.0, "idle": False,
        "place": [5.0, 6.0], "ties": [1.0, 0.0],
        "time": [5.0, 6.0], "severity": [9, 9], "source": ["s", "s"], "entity": ["", "e"],
        "message": ["m", "m"], "numbers": [None, {"n": 1.0}], "offset": [3, 4], "record": [0, 0],
        "template": ["", ""],
    }  # fmt: skip
    return zstandard.compress(orjson.dumps({**right, **changes}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"partition": -1}, {"partitions": 0}, {"partitions": 10**9}, {"clock": None}, {"clock": 5.5},
        {"place": [6.0, 5.0]}, {"place": [5.0]}, {"ties": [1.0]}, {"ties": [1.0, -1.0]},
        {"tie": None}, {"time": [5.0, 1e300]}, {"time": ["5", 6.0]},
        {"severity": [9, 25]}, {"severity": [9, -1]}, {"source": ["s", "s" * 257]}, {"source": ["s", 3]},
        {"message": ["m", "m" * 65_537]}, {"entity": ["", "e" * 257]}, {"template": ["", "t" * 4_097]},
        {"numbers": [None, {"n" * 129: 1.0}]}, {"numbers": [None, {str(n): 1.0 for n in range(17)}]},
        {"numbers": [None, {"n": "1"}]}, {"offset": [4, 3]}, {"offset": [3, 3]}, {"offset": [3, 2**63]},
        {"record": [0, -1]}, {"topic": "t" * 250}, {"more": 1}, {"place": [5.0] * (MOST_ROWS + 1)},
    ],
    ids=str,
)  # fmt: skip
def test_a_record_with_a_wrong_column_is_refused(wrong: dict[str, Any]) -> None:
    assert len(decode_keyed(record()).places) == 2
    with pytest.raises(ValueError, match="not keyed events"):
        decode_keyed(record(**wrong))


def test_a_record_that_grows_without_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="not keyed events"):
        decode_keyed(zstandard.compress(b" " * (64 * 1024 * 1024)))


@given(st.binary(max_size=60))
def test_foreign_bytes_are_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="not keyed events"):
        decode_keyed(value)
