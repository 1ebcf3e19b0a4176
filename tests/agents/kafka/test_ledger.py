"""What may be committed, by example."""

from __future__ import annotations

from agents.kafka.ledger import Ledger


def test_the_position_is_one_past_the_last_offset_that_is_confirmed() -> None:
    ledger: Ledger[str] = Ledger()
    confirm = ledger.hand_out("logs-0", 41)
    assert ledger.committable() == []
    assert ledger.take("logs-0") is None
    confirm()
    assert ledger.committable() == ["logs-0"]
    assert ledger.take("logs-0") == 42


def test_a_position_is_taken_once_until_more_is_confirmed() -> None:
    ledger: Ledger[str] = Ledger()
    first, second = ledger.hand_out("logs-0", 4), ledger.hand_out("logs-0", 9)
    first()
    assert ledger.take("logs-0") == 5
    assert ledger.committable() == []
    assert ledger.take("logs-0") is None
    first()
    assert ledger.take("logs-0") is None
    second()
    assert ledger.take("logs-0") == 10


def test_gaps_between_batches_do_not_matter() -> None:
    ledger: Ledger[str] = Ledger()
    ledger.hand_out("logs-0", 4)()
    ledger.hand_out("logs-0", 1000)()
    assert ledger.take("logs-0") == 1001


def test_a_batch_that_is_not_confirmed_holds_back_all_behind_it() -> None:
    ledger: Ledger[str] = Ledger()
    ledger.hand_out("logs-0", 4)()
    ledger.hand_out("logs-0", 9)
    third, fourth = ledger.hand_out("logs-0", 14), ledger.hand_out("logs-0", 19)
    third()
    fourth()
    assert ledger.take("logs-0") == 5
    ledger.hand_out("logs-0", 24)()
    assert ledger.committable() == []


def test_the_first_batch_holds_back_the_second() -> None:
    ledger: Ledger[str] = Ledger()
    ledger.hand_out("logs-0", 4)
    ledger.hand_out("logs-0", 9)()
    assert ledger.committable() == []


def test_partitions_are_apart() -> None:
    ledger: Ledger[tuple[str, int]] = Ledger()
    ledger.hand_out(("logs", 0), 4)
    ledger.hand_out(("logs", 1), 7)()
    assert ledger.committable() == [("logs", 1)]
    assert ledger.take(("logs", 0)) is None
    assert ledger.take(("logs", 1)) == 8


def test_what_is_confirmed_from_an_earlier_epoch_is_ignored() -> None:
    ledger: Ledger[str] = Ledger()
    stale = ledger.hand_out("logs-0", 4)
    ledger.start_afresh()
    stale()
    assert ledger.committable() == []
    again = ledger.hand_out("logs-0", 9)
    stale()
    assert ledger.committable() == []
    again()
    assert ledger.take("logs-0") == 10
    stale()
    assert ledger.committable() == []


def test_what_was_confirmed_and_not_taken_is_forgotten_with_its_epoch() -> None:
    ledger: Ledger[str] = Ledger()
    ledger.hand_out("logs-0", 4)()
    ledger.start_afresh()
    assert ledger.committable() == []
    assert ledger.take("logs-0") is None
    ledger.hand_out("logs-0", 2)()
    assert ledger.take("logs-0") == 3


def test_a_failed_batch_holds_nothing_back_once_it_is_read_again() -> None:
    ledger: Ledger[str] = Ledger()
    ledger.hand_out("logs-0", 4)
    ledger.hand_out("logs-0", 9)()
    ledger.start_afresh()
    ledger.hand_out("logs-0", 4)()
    ledger.hand_out("logs-0", 9)()
    assert ledger.take("logs-0") == 10


def test_what_is_reached_is_the_position_where_nothing_is_in_hand() -> None:
    ledger: Ledger[str] = Ledger()
    assert ledger.reached("logs-0", 30) == 30  # nothing but markers so far
    first = ledger.hand_out("logs-0", 49, 40)
    assert ledger.reached("logs-0", 50) == 40
    second = ledger.hand_out("logs-0", 58, 51)
    second()
    assert ledger.reached("logs-0", 63) == 40
    first()
    assert ledger.reached("logs-0", 63) == 50, (
        "the second was confirmed before the first, so it does not count"
    )
    ledger.start_afresh()
    assert ledger.reached("logs-0", 50) == 50
    ledger.hand_out("logs-0", 58, 51)()
    assert ledger.reached("logs-0", 63) == 63, "behind the last batch are markers"
