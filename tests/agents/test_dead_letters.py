"""Dead letters read back: the record is as it came, and none can go round for ever."""

from __future__ import annotations

from math import nan

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from agents.cli.main import main
from agents.dead_letters import Choice, ReadLetter, again, read_letters, why_not
from agents.kafka.dead_letters import outgoing
from agents.records import Headers, RecordBatch
from schemas.dead_letter import DeadLetter
from tests.troubleshooting import says

NAMES = st.text(max_size=5) | st.sampled_from(
    ["qualm.error.reason", "qualm.error.topic", "qualm.error.offset"]
)
HEADERS = st.lists(st.tuples(NAMES, st.binary(max_size=5)), max_size=4)
BYTES = st.none() | st.binary(max_size=20)


def batch(values: list[tuple[bytes | None, bytes | None, Headers]]) -> RecordBatch:
    n = len(values)
    keys, payloads, headers = ([each[i] for each in values] for i in range(3))
    return RecordBatch("logs.dlq", 2, list(range(5, 5 + n)), payloads, [nan] * n, keys, headers)  # type: ignore[arg-type]  # columns


def read(letter: DeadLetter) -> ReadLetter:
    """What is read where a worker has written a letter."""
    sent = outgoing(letter, "logs.dlq")
    (found,) = read_letters(batch([(sent.key, sent.value, list(sent.headers))]))
    assert found is not None
    return found


@given(key=BYTES, value=BYTES, headers=HEADERS, reason=st.text(st.characters(codec="utf-8"), max_size=30))
def test_a_record_comes_back_as_it_was(
    key: bytes | None, value: bytes | None, headers: Headers, reason: str
) -> None:
    letter = DeadLetter("logs", 3, 17, key, value, headers, reason)
    found = read(letter)
    assert found.letter == letter
    assert (found.partition, found.offset, found.retries) == (2, 5, 0)
    back = again(found)
    assert (back.key, back.value, back.partition) == (key, value, 3)
    assert back.headers == [*headers, ("qualm.retries", b"1")]


def test_a_record_that_fails_each_time_is_sent_back_three_times() -> None:
    letter = DeadLetter("logs", 0, 0, b"k", b"{]", [("trace", b"t")], "not JSON")
    rounds = 0
    while not why_not(found := read(letter), "logs"):
        letter = again(found)
        assert letter.headers == [("trace", b"t"), ("qualm.retries", b"%d" % (rounds + 1))]
        rounds += 1
        assert rounds < 10
    assert rounds == 3
    assert why_not(found, "logs") == "sent back 3 times before"


@pytest.mark.parametrize("count", [b"-1", b"", b"x", b"9" * 50, b"\xff"])
def test_a_count_that_is_no_number_is_taken_for_enough(count: bytes) -> None:
    found = read(DeadLetter("logs", 0, 0, None, b"{]", [("qualm.retries", count)], "not JSON"))
    assert why_not(found, "logs") == "sent back 3 times before"


def test_what_cannot_be_sent_back() -> None:
    letter = DeadLetter("logs", 0, 0, None, b"{]", [], "not JSON")
    assert why_not(read(letter), "logs") == ""
    assert why_not(read(letter), "payments") == "of another topic"
    note = outgoing(letter, "logs.dlq").instead
    assert note is not None
    (found,) = read_letters(batch([(None, note.value, list(note.headers))]))
    assert found is not None
    assert why_not(found, "logs") == "its value was too large to be kept"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("qualm.error.reason", b"why")],
        [("qualm.error.reason", b"why"), ("qualm.error.topic", b"t"), ("qualm.error.partition", b"x"),
         ("qualm.error.offset", b"1")],
    ],
)  # fmt: skip
def test_a_record_that_is_no_dead_letter_is_none(headers: Headers) -> None:
    assert list(read_letters(batch([(None, b"a line", headers)]))) == [None]


def test_what_is_chosen() -> None:
    found = read(DeadLetter("logs", 0, 0, None, b"", [], "no schema: id 7"))
    assert Choice().takes(found)
    assert Choice("No Schema").takes(found)
    assert not Choice("not JSON").takes(found)
    assert Choice(places={(2, 5)}).takes(found)
    assert not Choice(places={(2, 6)}).takes(found)
    assert not Choice("not JSON", {(2, 5)}).takes(found)


def mistake(code: int, *arguments: str) -> str:
    """What `qualm dlq` says of wrong arguments, of a broker that is not there."""
    command, *options = arguments
    result = CliRunner().invoke(main, ["dlq", command, "kafka://127.0.0.1:1/logs.dlq", *options])
    assert result.exit_code == code
    return result.stderr


def test_mistakes_are_said() -> None:
    says(mistake(2, "retry"), "say which dead letters: --reason TEXT, --offset PARTITION:OFFSET, or --all")
    for place in ("17", "0:", ":1", "-1:3", "0:1:2", "0:" + "9" * 60):
        said = mistake(2, "retry", "--offset", place)
        says(said, "--offset …: is not PARTITION:OFFSET, for example 0:17")
    says(mistake(1, "show"), "No Kafka broker answers at … (…): …")
