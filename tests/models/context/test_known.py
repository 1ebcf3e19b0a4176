"""Known faults, by hand: what a unit shows or lacks as units did that labels call faulty.

Sixty requests that begin, work and commit are normal; four that begin, retry and commit are labelled faulty.
"""

from math import log

import numpy as np
import pytest

from models.context.context import Context
from models.context.features import NAMES
from models.context.kernel import ENTITY_END, EVENT, OVERDUE
from models.context.reference import FAULTS, LEARN, LEAVE_OUT
from models.context.templates import TemplateMiner
from schemas.events import EventBatch, Row
from tests.models.context.test_evidence import LATER, START, certain, event, request, usual

KNOWN = NAMES.index("unit_known")
FAULTY = [f"bad{i}" for i in range(4)]
PRIOR = 4.5 / 65.0  # four of sixty-four, and half a unit more of either


def faulty(names: list[str], *steps: str) -> list[Row]:
    return [row for i, name in enumerate(names) for row in request(name, START + 20.0 * i, *steps)]


def judge(mode: int, normal: list[Row], faults: list[Row]) -> Context:
    """A context that judges by normal units and by faulty ones."""
    learning = Context(TemplateMiner(), 60.0, LEARN)
    learning.update(EventBatch.of([*normal, event(START + 3000.0, "tick")]))
    recognising = Context(TemplateMiner(), 60.0, FAULTS)
    recognising.refer_to(learning.reference())
    recognising.update(EventBatch.of([*faults, event(START + 3000.0, "tick")]))
    return certain(Context(TemplateMiner(), 60.0, mode, faulty=FAULTY), recognising)


def known(context: Context, rows: list[Row], name: str) -> dict[int, list[float]]:
    """What rows of an entity say of known faults, by their trigger."""
    events = EventBatch.of([*rows, event(rows[-1][0] + 500.0, "tick")])
    found = context.update(events)
    said: dict[int, list[float]] = {EVENT: [], OVERDUE: [], ENTITY_END: []}
    for i, (_, entity) in enumerate(context.names(events, found)):
        if entity == name:
            said[int(found.trigger[i])].append(float(found.x[i, KNOWN]))
    return said


def nats(shown: float, normal: float, prior: float = PRIOR) -> float:
    """Log odds, beyond prior ones, of a unit like so many faulty and so many normal ones."""
    share = (shown + 2.0 * prior) / (shown + normal + 2.0)
    return log(share / (1.0 - share)) - log(prior / (1.0 - prior))


def test_a_unit_is_recognised_by_what_faulty_ones_have_shown() -> None:
    context = judge(0, usual(60, START), faulty(FAULTY, "begin", "retry", "work", "commit"))
    said = known(context, request("odd", LATER, "begin", "retry", "work", "commit"), "odd")
    assert said[EVENT][:2] == [0.0, pytest.approx(nats(4.0, 0.0), rel=1e-5)]


def test_what_normal_units_show_as_well_says_less() -> None:
    some = [row for i in range(6) for row in request(f"s{i}", START + 1500.0 + i, "begin", "retry", "commit")]
    context = judge(0, [*usual(60, START), *some], faulty(FAULTY, "begin", "retry", "work", "commit"))
    said = known(context, request("odd", LATER, "begin", "retry", "work", "commit"), "odd")
    assert max(said[EVENT]) == pytest.approx(nats(4.0, 6.0, 4.5 / 71.0), rel=1e-5)


def test_a_count_is_recognised_as_well() -> None:
    context = judge(0, usual(60, START), faulty(FAULTY, "begin", "work", "work", "work", "commit"))
    said = known(context, request("odd", LATER, "begin", "work", "work", "work", "commit"), "odd")
    assert said[EVENT][2] == pytest.approx(nats(4.0, 0.0), rel=1e-5)
    twice = known(context, request("less", LATER + 1000.0, "begin", "work", "commit"), "less")
    assert max(twice[EVENT]) == 0.0


def test_what_faulty_units_lack_is_recognised_when_it_is_lacking_for_good() -> None:
    context = judge(0, usual(60, START), faulty(FAULTY, "begin", "work"))
    said = known(context, request("odd", LATER, "begin", "work"), "odd")
    assert max(said[EVENT]) == 0.0
    assert max(said[OVERDUE] + said[ENTITY_END]) == pytest.approx(nats(4.0, 0.0), rel=1e-5)


def test_one_fault_alone_says_little() -> None:
    context = judge(0, usual(60, START), faulty(FAULTY[:1], "begin", "retry", "work", "commit"))
    said = known(context, request("odd", LATER, "begin", "retry", "work", "commit"), "odd")
    assert 0.0 < max(said[EVENT]) == pytest.approx(nats(1.0, 0.0, 1.5 / 62.0), rel=1e-5)
    assert max(said[EVENT]) < nats(4.0, 0.0)


def test_in_training_a_faulty_unit_does_not_recognise_itself() -> None:
    faults = faulty(FAULTY[:1], "begin", "retry", "work", "commit")
    said = known(judge(LEAVE_OUT, usual(60, START), faults), faults, FAULTY[0])
    assert np.max(said[EVENT]) == 0.0
    faults = faulty(FAULTY, "begin", "retry", "work", "commit")
    said = known(judge(LEAVE_OUT, usual(60, START), faults), faults, FAULTY[0])
    assert np.max(said[EVENT]) == pytest.approx(nats(3.0, 0.0, 3.5 / 64.0), rel=1e-5)


def test_a_reason_says_what_was_recognised() -> None:
    context = judge(0, usual(60, START), faulty(FAULTY, "begin", "work", "work", "work", "commit"))
    events = EventBatch.of(request("odd", LATER, "begin", "work", "work", "work", "commit"))
    rows = context.update(events)
    told = [(reason["kind"], reason["share"]) for row in rows.why for reason in row if reason["kind"] == 4]
    assert told[-1] == (4, 1.0)
