"""Rows to train on: which are normal, which are positive, and that none of a part teaches the other."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.context.context import Context, Names, Rows
from models.context.kernel import ENTITY_END, EVENT, SILENCE
from models.context.tables import NAME_BYTES, REASON, REASONS
from models.context.templates import TemplateMiner
from models.labels import Labels
from models.options import TrainingOptions
from models.training import rows as training_rows
from models.training.bags import Bags, bags_of, joined
from models.training.choices import entity_timeout
from models.training.faults import Faulty
from models.training.rows import (
    TrainingRows,
    _fault_bags,
    _labelled,
    _labelled_bags,
    _row_bags,
    build,
    chunks,
    fill_times,
    units,
)
from schemas.events import EventBatch
from schemas.formats.options import ReadOptions

START = 1.7e9


def spoken(times: list[float], entity: str = "") -> EventBatch:
    """An event of one source at each of the times."""
    return EventBatch.of(
        [(time, 9, "s", entity, f"step {i} of {i % 7}", None, i, 0, "") for i, time in enumerate(times)]
    )


def after_pauses(*pauses: float) -> EventBatch:
    return spoken([START, *(START + np.cumsum(pauses)).tolist()], "one")


def numbered(count: int) -> NDArray[np.float32]:
    """Features (count, 1) that say which row they are of."""
    return np.arange(count, dtype=np.float32)[:, None]


def none(count: int) -> NDArray[np.bool_]:
    """No row is of an entity."""
    return np.zeros(count, bool)


def triggers(count: int) -> NDArray[np.int8]:
    return np.zeros(count, np.int8)


# ---- when an entity has ended ----


def test_an_entity_has_ended_where_pauses_are_rarest() -> None:
    # Half to twice of 10 s: the 9 s. Of 30 s and of 60 s: the 40 s. Of 300 s and 600 s: the 500 s. Of 1800 s:
    # the 2000 s. Nothing lies between 60 s and 240 s, so 120 s it is.
    assert entity_timeout(after_pauses(*[1.0] * 150, 9.0, 9.0, 40.0, 500.0, 2000.0)) == 120.0
    # Among equals the shortest.
    assert entity_timeout(after_pauses(*[1.0] * 150)) == 10.0


def test_most_pauses_are_shorter_than_the_timeout() -> None:
    # There is no pause near 10 s, but it would cut most entities up; with half of the pauses, too.
    assert entity_timeout(after_pauses(*[70.0] * 101, *[1.0] * 100, 200.0)) == 600.0
    assert entity_timeout(after_pauses(*[70.0] * 100, *[1.0] * 100)) == 300.0
    assert entity_timeout(after_pauses(*[70.0] * 99, *[1.0] * 101)) == 10.0
    assert entity_timeout(after_pauses(*[4000.0] * 150)) == 1800.0


def test_few_pauses_say_nothing() -> None:
    assert entity_timeout(after_pauses(*[1.0] * 99)) == 300.0
    assert entity_timeout(after_pauses(*[1.0] * 100)) == 10.0
    assert entity_timeout(spoken([START + i for i in range(200)])) == 300.0  # of no entity


def test_pauses_are_those_of_each_entity() -> None:
    rows = [(START + i, 9, "s", f"e{i % 50}", "m", None, i, 0, "") for i in range(300)]
    assert entity_timeout(EventBatch.of(rows)) == 120.0  # 50 s each: within 25 s to 100 s, of 30 and 60


# ---- times ----


def test_an_event_without_a_time_has_that_of_the_event_before() -> None:
    nan = float("nan")
    events = spoken([nan, nan, 5.0, nan, 7.0, nan])
    fill_times(events)
    assert events.time == [5.0, 5.0, 5.0, 5.0, 7.0, 7.0]
    events = spoken([nan, nan])
    fill_times(events)
    assert events.time == [0.0, 0.0]


def test_chunks_are_all_events_in_order() -> None:
    parts = list(chunks(spoken([float(i) for i in range(7)]), 3))
    assert [part.time for part in parts] == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0]]
    assert [part.offset for part in parts] == [[0, 1, 2], [3, 4, 5], [6]]


# ---- labelled units ----


def test_units_are_the_labelled_entities() -> None:
    names: Names = [("s", "a"), ("s", "b"), ("t", "a"), ("s", "nobody"), ("s", ""), ("s", "c")]
    unit, truth = _labelled(names, np.zeros(6), Labels({"c": True, "b": True, "a": False, "unseen": True}))
    assert unit.tolist() == [0, 1, 0, -1, -1, 2]
    assert truth.tolist() == [False, True, True]
    unit, truth = _labelled(names, np.zeros(6), None)
    assert unit.tolist() == [-1] * 6
    assert len(truth) == 0


def test_units_are_sources_inside_and_outside_their_intervals() -> None:
    labels = Labels(intervals={"s": [(10.0, 20.0), (40.0, 50.0)]})
    names: Names = [("s", "x"), ("s", "y"), ("s", "x"), ("s", ""), ("t", "x"), ("s", "")]
    unit, truth = _labelled(names, np.array([9.0, 10.0, 20.0, 20.5, 15.0, 45.0]), labels)
    assert unit.tolist() == [0, 1, 1, 0, 2, 1]
    assert truth.tolist() == [False, True, False]


def test_a_unit_is_an_entity_else_a_source_over_a_minute() -> None:
    names: Names = [("s", "a"), ("t", "a"), ("s", ""), ("s", ""), ("s", ""), ("t", ""), ("s", "b")]
    unit, of_entity = units(names, np.array([0.0, 500.0, 59.9, 0.0, 60.0, 60.0, 60.0]))
    assert unit.tolist() == [0, 0, 1, 1, 2, 3, 4]
    assert of_entity.tolist() == [True, False, False, False, True]


# ---- bags ----


def test_bags_are_numbered_from_0_and_keep_the_order_of_their_rows() -> None:
    kind = np.array([0, 1, 2, 0, 1, 2], np.int8)
    made = bags_of(numbered(6), kind, kind == 2, np.array([5, -1, 2, 5, 2, -1]))
    assert made.x[:, 0].tolist() == [2, 4, 0, 3]
    assert made.trigger.tolist() == [2, 1, 0, 0]
    assert made.of_entity.tolist() == [True, False, False, False]
    assert made.bag.tolist() == [0, 0, 1, 1]
    assert made.weight.tolist() == [1.0, 1.0]
    assert len(made) == 2
    assert len(bags_of(numbered(2), triggers(2), none(2), np.array([-1, -1]))) == 0


def test_joined_bags_are_numbered_on() -> None:
    one = bags_of(numbered(3), triggers(3), none(3), np.array([0, 0, 1]))
    other = Bags(numbered(2) + 10, triggers(2), none(2), np.array([0, 1]), np.array([0.5, 0.25]))
    both = joined(one, other)
    assert both.x[:, 0].tolist() == [0, 1, 2, 10, 11]
    assert both.bag.tolist() == [0, 0, 1, 2, 3]
    assert both.weight.tolist() == [1.0, 1.0, 0.5, 0.25]


def test_a_labelled_bag_is_the_usable_rows_of_an_entity_at_fault() -> None:
    unit, truth = np.array([0, 1, 2, 1, -1, 2, 1]), np.array([False, True, True])
    usable = np.array([True, True, True, True, True, True, False])
    made = _labelled_bags(numbered(7), triggers(7), none(7), unit, truth, usable)
    assert made.x[:, 0].tolist() == [1, 3, 2, 5]
    assert made.bag.tolist() == [0, 0, 1, 1]


def rows(*of: tuple[int, float, int]) -> Rows:
    """Rows by trigger, time and event."""
    n = len(of)
    trigger, time, event = zip(*of, strict=True)
    return Rows(
        x=numbered(n), trigger=np.array(trigger, np.int8), event=np.array(event, np.int64),
        time=np.array(time), watermark=np.array(time), template=np.zeros(n, np.uint64),
        source=np.zeros(n, np.uint64), severity=np.zeros(n, np.int64), of_entity=none(n),
        names=np.zeros((n, NAME_BYTES), np.uint8), line=np.zeros(n), scale=np.ones((n, 2)),
        why=np.zeros((n, REASONS), REASON), pace=np.ones((n, 2)), known=np.zeros(n), learning=none(n),
    )  # fmt: skip


def test_an_entity_shows_its_fault_from_its_start_on() -> None:
    faulty = Faulty(spoken([1.0, 2.0, 3.0, 4.0]), bag=[-1, 2, -1, -1], entities={"e": (1, 2.5)})
    found = rows(
        (EVENT, 1.0, 0), (EVENT, 2.0, 1), (EVENT, 2.5, 2), (ENTITY_END, 2.4, 3), (ENTITY_END, 9.0, 3)
    )
    assert _row_bags(faulty, [("s", "e")] * 5, [found]).tolist() == [-1, 2, 1, -1, 1]
    assert _row_bags(faulty, [("s", "f")] * 5, [found]).tolist() == [-1, 2, -1, -1, -1]


def test_a_silence_shows_its_fault_while_it_lasts() -> None:
    faulty = Faulty(spoken([1.0] * 6), bag=[-1] * 6, silences=[("s", 10.0, 20.0, 4), ("t", 30.0, 40.0, 5)])
    found = rows(*[(SILENCE, time, 0) for time in (9.9, 10.0, 20.0, 20.1, 35.0)], (EVENT, 15.0, 1))
    assert _row_bags(faulty, [("s", "")] * 6, [found]).tolist() == [-1, 4, 4, -1, -1, -1]
    assert _row_bags(faulty, [("t", "")] * 6, [found]).tolist() == [-1, -1, -1, -1, 5, -1]


def test_events_are_counted_on_from_batch_to_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_rows, "BATCH", 2)
    faulty = Faulty(spoken([1.0, 2.0, 3.0, 4.0]), bag=[-1, 0, 1, -1])
    parts = [rows((EVENT, 1.0, 0), (EVENT, 2.0, 1)), rows((EVENT, 3.0, 0), (EVENT, 4.0, 1))]
    assert _row_bags(faulty, [("s", "")] * 4, parts).tolist() == [-1, 0, 1, -1]


def fresh() -> Context:
    return Context(TemplateMiner(), 300.0)


def test_faults_of_the_later_part_teach_nothing() -> None:
    events = spoken([START + i for i in range(600)])
    made = [
        len(_fault_bags(fresh, events, 0, cut, lambda *_: None))
        for cut in (START, START + 300.0, START + 1e6)
    ]
    assert made[0] == 0
    assert 0 < made[1] < made[2] <= 12  # two faults each time, six times


# ---- all of it ----


def built(labels: Labels | None, cold: bool = False) -> TrainingRows:
    """Rows of 600 events, one each second, the last quarter of them for calibration."""
    events = spoken([START + i for i in range(600)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_rows, "FIT_SHARE", 0.75)
        return build(events, labels, ReadOptions(), TrainingOptions(cold=cold), lambda *_: None)


def where(chosen: NDArray[np.bool_]) -> list[int]:
    return np.flatnonzero(chosen).tolist()


def test_rows_are_split_by_time_and_the_first_are_left_out() -> None:
    made = built(None)
    assert len(made.x) == 600
    assert where(made.normal_fit) == list(range(60, 450))
    assert where(made.calibration) == list(range(450, 600))
    assert where(made.normal) == list(range(60, 600))
    assert made.summary["calibrated_from"] == START + 450.0
    assert (made.summary["from"], made.summary["to"]) == (START, START + 599.0)
    assert (made.bags_fit.weight == 1.0).all()


@pytest.mark.parametrize("cold", [False, True])
def test_labels_make_the_rows_normal_or_positive_in_their_own_part(cold: bool) -> None:
    """At fault: three rows while the context is young, eleven later, and six of the calibration part."""
    bad = [*range(10, 13), *range(100, 111), *range(500, 506)]
    times = [(10, 12), (100, 110), (500, 505)]
    made = built(Labels(intervals={"s": [(START + first, START + last) for first, last in times]}), cold)
    young = 0 if cold else 60
    assert where(made.normal_fit) == [row for row in range(young, 450) if row not in bad]
    assert where(made.normal) == [row for row in range(young, 600) if row not in bad]
    bags = made.bags_fit
    taught = [row for row in bad if young <= row < 450]
    assert (bags.x[bags.bag == 0] == made.x[taught]).all()
    assert bags.weight.tolist() == [1.0] + [0.02] * (len(bags) - 1)
    assert len(bags) > 1
    assert made.summary["labels"] == 2


def test_labels_that_leave_nothing_normal_are_refused() -> None:
    with pytest.raises(ValueError, match="leave no normal events"):
        built(Labels(intervals={"s": [(START, START + 449.5)]}))


def test_rows_hold_what_training_and_the_bundle_need_of_the_events() -> None:
    events = spoken([START + i for i in range(600)])
    stages: list[tuple[str, int, int]] = []
    made = build(
        events, None, ReadOptions("json"), TrainingOptions(), lambda *told: stages.append(told)
    )  # fmt: skip
    assert made.trigger.tolist() == [EVENT] * 600
    assert made.labelled.tolist() == [-1] * 600
    assert made.of_entity.tolist() == [False] * 11  # the source over each minute that has begun
    assert (made.unit == np.floor((START + np.arange(600)) / 60.0) - START // 60.0).all()
    assert made.truth.dtype == bool
    assert made.truth.tolist() == []
    assert made.entity_timeout == 300.0  # too few pauses to say
    assert made.merges == []
    assert made.reading == ReadOptions("json")
    assert made.learnt.keys() >= {"clock", "counts.slots", "counts.records", "sources.slots"}
    assert made.summary == {
        "events": 600, "from": START, "to": START + 599.0, "calibrated_from": START + 420.0, "labels": None,
        "bags": len(made.bags_fit),
    }  # fmt: skip
    assert [stage for stage, done, _ in stages if done] == [
        "units",
        "what they lack",
        "evidence",
        "features",
        *(f"faults {i}/6" for i in range(1, 7)),
    ]
    assert stages[3] == ("features", 600, 600)


def test_five_hundred_events_are_enough_and_one_less_is_not() -> None:
    for count in (499, 500):
        events = spoken([START + i for i in range(count)])
        if count < 500:
            with pytest.raises(ValueError, match="499 events are too few"):
                build(events, None, ReadOptions(), TrainingOptions(), lambda *_: None)
        else:
            assert len(build(events, None, ReadOptions(), TrainingOptions(), lambda *_: None).x) == 500


def test_long_input_keeps_the_name_of_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of several batches: the labels of a later one find their rows."""
    events = EventBatch.of(
        [
            (START + i, 9, "s", f"e{(i >= 5500) + (i >= 7000)}", f"step {i}", None, i, 0, "")
            for i in range(12_000)
        ]
    )
    labels = Labels({"e0": False, "e1": True, "e2": False})
    done: list[int] = []
    made = build(
        events, labels, ReadOptions(), TrainingOptions(),
        lambda stage, count, _: done.append(count) if stage == "features" else None,
    )  # fmt: skip
    events_only = made.labelled[made.trigger == EVENT]
    assert events_only.tolist() == [0] * 5500 + [1] * 1500 + [2] * 5000
    assert made.truth.tolist() == [False, True, False]
    assert made.truth.dtype == bool
    assert done == [5000, 10_000, 12_000]


def test_other_seeds_write_other_faults() -> None:
    events = spoken([START + i for i in range(600)])
    made = [_fault_bags(fresh, events, seed, START + 1e6, lambda *_: None) for seed in (0, 0, 1)]
    assert made[0].x.tobytes() == made[1].x.tobytes() != made[2].x.tobytes()
