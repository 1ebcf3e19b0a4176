"""How many sources and kinds are still being learnt: what rows say of them, counted."""

from __future__ import annotations

import numpy as np
import pytest

from models.context.context import Context
from models.context.learning import Learning, learning_of
from models.context.templates import TemplateMiner
from schemas.events import EventBatch


def event(time: float, source: str, entity: str = "", message: str = "alive") -> tuple[object, ...]:
    return (time, 9, source, entity, message, {}, 0, 0, "")


def context_of(events: list[tuple[object, ...]]) -> Context:
    context = Context(TemplateMiner(), 30.0)
    context.update(EventBatch.of(sorted(events)))  # type: ignore[arg-type, type-var]  # columns of one event
    return context


def kinds(context: Context) -> tuple[int, int]:
    found = learning_of(context.state)
    return found.learning_kinds, found.known_kinds


def test_nothing_at_first() -> None:
    assert learning_of(context_of([]).state) == Learning(0, 0, 0, 0)


@pytest.mark.parametrize(("minutes", "is_known"), [(5, False), (30, True)])
def test_a_source_is_known_after_ten_minutes(minutes: int, is_known: bool) -> None:
    steady = [event(60.0 * 28_333_334 + second, "steady") for second in range(0, 60 * minutes, 5)]
    context = context_of([*steady, event(60.0 * 28_333_334 + 60 * minutes, "new")])
    found = learning_of(context.state)
    assert (found.learning_sources, found.known_sources) == ((1, 1) if is_known else (2, 0))


def test_a_kind_is_known_when_fifty_units_of_it_or_of_all_were_judged() -> None:
    start = 60.0 * 28_333_334

    def units(count: int, since: float, name: str) -> list[tuple[object, ...]]:
        return [
            event(start + since + 10 * n + step, "api", f"{name}{n}", f"{name} {text}")
            for n in range(count)
            for step, text in enumerate(("begin", "end"))
        ]

    few = context_of([*units(20, 0, "pay"), *units(3, 300, "ship"), event(start + 900, "api")])
    assert kinds(few) == (2, 0)
    many = context_of([*units(400, 0, "pay"), *units(3, 4_100, "ship"), event(start + 9_000, "api")])
    assert kinds(many) == (0, 2), "ship by units of all kinds"


def test_asking_changes_nothing() -> None:
    events = [event(1.7e9 + n, f"s{n % 5}", f"r{n % 40}", f"step {n % 3}") for n in range(3_000)]
    context = context_of(events)
    before = {name: np.array(array) for name, array in context.dump().items()}
    learning_of(context.state)
    after = context.dump()
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)
