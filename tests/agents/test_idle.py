"""When a partition is said to be read to its end."""

from __future__ import annotations

from agents.idle import AGAIN, QUIET, IdlePartitions


def test_a_partition_is_quiet_a_second_after_its_last_batch_and_says_so_now_and_then() -> None:
    idle: IdlePartitions[str] = IdlePartitions()
    idle.keep({"a", "b"}, 100.0)
    idle.begin("a", 100.1)
    assert idle.quiet(100.0 + QUIET) == [("b", None)]  # nothing was read of it
    idle.end("a", 7, 105.0)
    assert ("a", 7) not in idle.quiet(104.9 + QUIET)
    assert ("a", 7) in idle.quiet(105.0 + QUIET)
    assert idle.tell("a", 106.0)
    assert ("a", 7) not in idle.quiet(105.9 + AGAIN)
    assert ("a", 7) in idle.quiet(106.0 + AGAIN)
    idle.begin("a", 140.0)
    idle.end("a", 8, 140.0)
    assert ("a", 8) in idle.quiet(140.0 + QUIET)


def test_a_partition_that_is_at_work_or_elsewhere_says_nothing() -> None:
    idle: IdlePartitions[str] = IdlePartitions()
    idle.keep({"a", "b"}, 0.0)
    idle.begin("a", 1.0)
    assert not idle.tell("a", 50.0)
    idle.keep({"a"}, 60.0)
    assert not idle.tell("b", 60.0)
    assert idle.quiet(99.0) == []
    idle.keep({"a", "b"}, 100.0)  # it is back, and known as little as any other
    assert idle.quiet(100.0 + QUIET) == [("b", None)]
