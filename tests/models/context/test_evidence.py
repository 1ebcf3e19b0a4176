"""Evidence of units, by hand: what is new, overdue or repeated, in nats against the share of units.

The reference is sixty requests that all begin, work and commit, a second apart.
"""

from itertools import chain
from math import log

import numpy as np
import pytest

from models.context.context import PRODUCTION, Context, Rows
from models.context.features import EVIDENCE_COLUMNS
from models.context.kernel import EVENT, OVERDUE
from models.context.reference import LEARN, LEAVE_OUT, PAIRS
from models.context.templates import TemplateMiner, template_id
from models.context.usual import REPEATS
from schemas.events import EventBatch, Row

START = 1.7e9
UNITS = 60
NEVER_OF_60 = -log(0.5 / 61.0)  # nats of what none of sixty units shows
LATER = START + 10_000.0


def event(time: float, message: str, entity: str = "") -> Row:
    return (time, 9, "s", entity, message, None, 0, 0, "")


def request(name: str, start: float, *steps: str) -> list[Row]:
    return [event(start + i, step, name) for i, step in enumerate(steps or ("begin", "work", "commit"))]


def usual(count: int, start: float, gap: float = 20.0) -> list[Row]:
    return [row for i in range(count) for row in request(f"r{start}-{i}", start + i * gap)]


def judge(mode: int, extra: list[Row] | None = None) -> Context:
    """A context that judges by the reference, with evidence as it is: its median 0, its spread one nat."""
    learning = Context(TemplateMiner(), 60.0, LEARN)
    learning.update(EventBatch.of([*usual(UNITS, START), *(extra or []), event(START + 3000.0, "tick")]))
    return certain(Context(TemplateMiner(), 60.0, mode), learning)


def certain(context: Context, learning: Context) -> Context:
    """The context, referring to what another has learnt, with evidence as it is."""
    context.refer_to(learning.reference())
    for field, value in (("judged", 1000), ("certain", 1), ("centre", 0.0), ("spread", 1.0)):
        context.state.kinds[field] = value
    return context


def evidence(context: Context, rows: list[Row], name: str) -> tuple[Rows, np.ndarray, list[int]]:
    """Rows of the events, the evidence (new, overdue, repeats) of each, and which are of one entity."""
    events = EventBatch.of([*rows, event(rows[-1][0] + 500.0, "tick")])
    found = context.update(events)
    mine = [i for i, (_, entity) in enumerate(context.names(events, found)) if entity == name]
    return found, found.x[:, EVIDENCE_COLUMNS][:, : REPEATS + 1], mine


def test_a_usual_unit_has_no_evidence() -> None:
    _, found, _ = evidence(judge(0), request("odd", LATER), "odd")
    assert found.max() == 0.0


def test_each_new_word_counts_once() -> None:
    rows = request("odd", LATER, "begin", "disk lost", "disk found", "work", "disk lost", "commit")
    _, found, mine = evidence(judge(0), rows, "odd")
    new = found[mine, 0]
    np.testing.assert_allclose(new[:3], [0.0, 2 * NEVER_OF_60, 3 * NEVER_OF_60], rtol=1e-5)
    assert new.max() == new[2]
    assert new[4] == 0.0  # the second loss adds nothing, so nothing is shown again


def test_a_word_that_some_units_show_is_worth_less() -> None:
    some = [
        row
        for i in range(20)
        for row in request(f"s{i}", START + 1500.0 + i, "begin", "retry", "work", "commit")
    ]
    _, found, mine = evidence(
        judge(0, some), request("odd", LATER, "begin", "retry", "work", "commit"), "odd"
    )
    assert found[mine, 0].max() == pytest.approx(-log(20.5 / 81.0), rel=1e-5)


def test_a_unit_of_the_reference_is_judged_by_the_others() -> None:
    odd = request("odd", START + 1500.0, "begin", "lost", "work", "commit")
    _, found, mine = evidence(judge(LEAVE_OUT, odd), odd, "odd")
    assert found[mine, 0].max() == pytest.approx(-log(0.5 / 61.0), rel=1e-5)
    _, found, _ = evidence(judge(LEAVE_OUT, odd), usual(5, LATER), "r")
    assert found.max() == 0.0


def test_what_is_missing_is_noticed_when_it_is_overdue() -> None:
    """work and commit are due within seconds: one step. When the unit is as quiet as none, both count."""
    rows, found, mine = evidence(judge(0), request("odd", LATER, "begin"), "odd")
    overdue = [i for i in mine if rows.trigger[i] == OVERDUE]
    assert overdue
    assert found[overdue[-1], 1] == pytest.approx(2 * NEVER_OF_60, rel=1e-5)
    assert LATER + 1.0 < rows.time[overdue[0]] <= rows.time[overdue[-1]] < LATER + 10.0


def test_what_comes_in_time_is_not_missing() -> None:
    _, found, mine = evidence(judge(0), request("odd", LATER, "begin", "commit", "work"), "odd")
    assert found[mine, 1].max() == 0.0


def test_repeats_count_against_the_units_that_repeat_as_often() -> None:
    rows, found, mine = evidence(
        judge(0), request("odd", LATER, "begin", "work", "work", "work", "commit"), "odd"
    )
    events = [i for i in mine if rows.trigger[i] == EVENT]
    # Sixty have shown it once, none twice; of none nobody can say how many repeat it a third time.
    np.testing.assert_allclose(found[events, 2], [0.0, 0.0, NEVER_OF_60, 0.0, 0.0], rtol=1e-5)


def test_counts_that_units_reach_after_waking_are_learnt() -> None:
    """All of ten units work nine times, fall idle, and go on to work seven times more: 16 is usual."""
    woken = [
        event(START + 2000.0 * i + 0.1 * j + (1000.0 if j > 9 else 0.0), step, f"r{i}")
        for i in range(10)
        for j, step in enumerate(["begin", *["work"] * 16])
    ]
    learning = Context(TemplateMiner(), 60.0, LEARN)
    learning.update(EventBatch.of([*woken, event(START + 25_000.0, "tick")]))
    context = certain(Context(TemplateMiner(), 60.0, 0), learning)
    rows = [event(LATER + 0.1 * i, step, "odd") for i, step in enumerate(["begin", *["work"] * 16])]
    _, found, mine = evidence(context, rows, "odd")
    # Of 2, 3, ... 8 and 16 each says that all of ten did so, and the next one may not.
    assert found[mine, 2].max() == pytest.approx(8 * -log(10.5 / 11.0), rel=1e-5)


def test_a_fault_is_as_suspicious_the_hundredth_time() -> None:
    context, first = judge(PRODUCTION), 0.0
    for i in range(100):
        at = LATER + i * 1000.0
        _, found, mine = evidence(
            context, [*usual(1, at), *request(f"odd{i}", at + 30.0, "begin", "lost")], f"odd{i}"
        )
        total = float(found[mine].max(axis=0).sum())
        first = first or total
        assert total > 10.0
        assert total == pytest.approx(first)


def test_what_nearly_all_units_show_for_a_day_is_usual() -> None:
    context = judge(PRODUCTION)
    totals = []
    for i in range(30):
        at = LATER + i * 4000.0
        name = f"new{i}"
        _, found, mine = evidence(context, request(name, at, "begin", "audited", "work", "commit"), name)
        totals.append(float(found[mine, 0].max()))
    assert totals[20] == pytest.approx(NEVER_OF_60, rel=1e-5)  # 22 hours
    assert totals[25] == 0.0  # 27 hours


def test_the_reasons_name_what_adds_most() -> None:
    """Two things new and two that lack, with the share of units that show them, and when."""
    rows = request("odd", LATER, "begin", "disk lost", "retry")
    told, _, mine = evidence(judge(0), rows, "odd")
    found = {}
    for kind, template, nats, share, age in told.why[mine[-2]].tolist():
        found[kind, judge_text(template)] = (round(nats, 4), share, round(age, 2))
    never = round(NEVER_OF_60, 4)
    assert found[0, "disk lost"] == (round(2 * NEVER_OF_60, 4), 0.0, 1.0)
    assert found[0, "retry"] == (never, 0.0, 2.0)
    assert {key[1] for key in found if key[0] == 1} == {"work", "commit"}
    for kind, text in found:
        if kind == 1:
            nats, share, age = found[kind, text]
            assert (nats, share) == (never, 1.0)
            assert 1.0 < age < 10.0


def judge_text(template: int) -> str:
    """Text of one of the templates above."""
    texts = ("begin", "work", "commit", "disk lost", "retry")
    return next(text for text in texts if template_id(text) == template)


def test_what_goes_together_is_lacking_once() -> None:
    """A quarter of the requests are refused, and show neither work nor commit: lacking both is one thing."""

    def quick(name: str, start: float, *steps: str) -> list[Row]:
        return [event(start + 0.1 * i, step, name) for i, step in enumerate(steps)]

    all_done = [quick(f"r{i}", START + 20.0 * i, "begin", "work", "commit") for i in range(UNITS)]
    refused = [quick(f"s{i}", START + 1500.0 + i, "begin", "refused") for i in range(20)]
    events = EventBatch.of([*chain(*all_done, *refused), event(START + 3000.0, "tick")])
    learning, pairing = (Context(TemplateMiner(), 60.0, mode) for mode in (LEARN, PAIRS))
    learning.update(events)
    pairing.refer_to(learning.reference())
    pairing.update(events)
    context = certain(Context(TemplateMiner(), 60.0, 0), pairing)
    _, found, mine = evidence(context, quick("odd", LATER, "begin", "refused"), "odd")
    lacks_work = 20.5 / 81.0
    # Of twenty that lacked the work, all lacked the commit; one more counts as any unit would.
    lacks_commit_too = (20.0 + 20.5 / 81.0) / 21.0
    assert found[mine, 1].max() == pytest.approx(-log(lacks_work) - log(lacks_commit_too), rel=1e-4)


def test_while_all_is_new_nothing_is_suspicious() -> None:
    """Units that began before anything was known have no evidence, and do not say what is usual."""
    letters = "abcdefghij"
    rows = [
        event(
            START + 3.0 * unit + step,
            f"{letters[step]}{letters[unit // 10]}{letters[unit % 10]} done",
            f"u{unit}",
        )
        for unit in range(60)
        for step in range(10)
    ]
    context = Context(TemplateMiner(), 20.0)
    events = EventBatch.of([*sorted(rows), event(START + 500.0, "tick")])
    found = context.update(events)
    total = found.x[:, EVIDENCE_COLUMNS][:, : REPEATS + 1].sum(axis=1)
    assert 0.0 < total.max() < 5.0
