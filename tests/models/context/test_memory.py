"""Units of any size and number in the memory that docs/operations.md states; what is forgotten is counted."""

from itertools import islice, product
from string import ascii_lowercase

import numpy as np
import pytest

from models.context.context import Context
from models.context.templates import TemplateMiner
from models.context.usual import NEW
from schemas.events import EventBatch, Row
from tests.models.context.test_evidence import LATER, NEVER_OF_60, START, event, evidence, judge, request


def nbytes(context: Context) -> int:
    return sum(table.nbytes for table in context.state)


def words(count: int) -> list[str]:
    """So many messages of one word each, all different."""
    return ["".join(letters) for letters in islice(product(ascii_lowercase, repeat=4), count)]


def test_a_partition_keeps_to_its_budget() -> None:
    assert nbytes(Context(TemplateMiner(), 60.0)) < 45_000_000


def test_a_unit_of_a_thousand_templates_is_judged_as_a_whole() -> None:
    context = judge(0)
    _, found, mine = evidence(context, request("odd", LATER, "begin", *words(999)), "odd")
    assert context.forgotten == 0
    # Each of 999 is new, the last as the first; x says no more than 300 nats of it.
    (unit,) = context.state.entities[context.state.entities["key"] != 0]
    assert unit["items"] == 1000 + 999  # templates, and words
    assert unit["evidence"][NEW] == pytest.approx(999 * NEVER_OF_60)
    assert found[mine, 0].max() == 300.0
    assert found[mine, 1].max() == pytest.approx(2 * NEVER_OF_60, rel=1e-5)  # work and commit lack


def test_a_unit_of_more_than_an_eighth_of_all_nodes_is_lossy() -> None:
    """Of 16,384 nodes, begin takes one, and each word that is a template two."""
    context = judge(0)
    rows = [event(LATER + 0.0001 * i, word, "odd") for i, word in enumerate(["begin", *words(9000)])]
    rows += [event(LATER + 1.0, "work", "odd"), event(LATER + 2.0, "commit", "odd")]
    _, found, mine = evidence(context, rows, "odd")
    (unit,) = context.state.entities[context.state.entities["key"] != 0]
    assert unit["evidence"][NEW] == pytest.approx(8191 * NEVER_OF_60)
    assert context.forgotten == 1
    assert found[mine, 1].max() == 0.0  # work and commit are not remembered, nor said to lack
    ticks = [event(LATER + 50.0 * i, "tick") for i in range(2, 9)]  # without a pause that is doubted
    _, found, mine = evidence(context, request("other", LATER + 50.0, "begin") + ticks, "other")
    assert found[mine, 1].max() == pytest.approx(2 * NEVER_OF_60, rel=1e-5)
    assert context.forgotten == 1


@pytest.mark.parametrize(("timeout", "forgotten"), [(10_000.0, 60_000 - 16_384), (1.0, 0)])
def test_units_beyond_the_table_are_forgotten_and_counted_unless_they_have_ended(
    timeout: float, forgotten: int
) -> None:
    context = Context(TemplateMiner(), timeout)
    before = nbytes(context)
    for first in range(0, 60_000, 10_000):
        context.update(EventBatch.of([row for i in range(10_000) for row in three_events(first + i)]))
    assert nbytes(context) == before
    assert context.forgotten == forgotten
    assert context.state.clock["units"][0] == 60_000


def three_events(number: int) -> list[Row]:
    return [
        event(START + 0.01 * number + 0.001 * i, step, f"u{number}")
        for i, step in enumerate(["begin", "work", "commit"])
    ]


def test_the_longest_quiet_units_are_forgotten_whole_and_counted() -> None:
    context = judge(0)
    context.state = context.state._replace(nodes=context.state.nodes[:100])
    rows = [event(LATER + i * 0.001, "begin", f"u{i}") for i in range(300)]
    told, found, _ = evidence(context, rows, "u0")
    assert context.forgotten >= 200
    # Nothing is said of those forgotten.
    assert 0 < len({told.name(i) for i in np.flatnonzero(found[:, 1]).tolist()}) <= 100
