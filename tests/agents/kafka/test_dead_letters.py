from __future__ import annotations

from agents.kafka.dead_letters import outgoing, reason_label
from agents.records import RecordBatch
from agents.triage import dead_letter


def test_a_record_goes_out_as_it_came_with_a_note_for_the_case_that_it_is_refused() -> None:
    headers = [("a", b"\xff"), ("a", b"2")]
    batch = RecordBatch("logs", 3, [7, 9], [b"x", b"\xfe"], [1.0, 2.0], [None, b"k"], [[], headers])
    letter = dead_letter(batch, 1, "not JSON: here")
    sent = outgoing(letter, "logs.dlq")
    assert (sent.topic, sent.key, sent.value) == ("logs.dlq", b"k", b"\xfe")
    assert list(sent.headers[:2]) == headers
    assert dict(sent.headers)["qualm.error.offset"] == b"9"
    assert sent.instead is not None
    assert sent.instead.value is None
    assert dict(sent.instead.headers)["qualm.error.partition"] == b"3"
    assert b"left out" in dict(sent.instead.headers)["qualm.error.reason"]


def test_the_metric_gets_the_phrase_before_the_detail() -> None:
    assert reason_label("not JSON: character 17") == "not JSON"
    assert reason_label("empty") == "empty"
    assert len(reason_label("x" * 1000)) <= 40


def test_a_batch_is_cut_at_an_offset() -> None:
    batch = RecordBatch("logs", 0, [5, 8], [b"a", b"b"], [0.0, 0.0], [None, None], [[], []])
    assert batch.after(5) is batch
    assert batch.after(6).values == [b"b"]
    assert len(batch.after(9)) == 0
