"""State of partitions: made, dropped, and written down anywhere and resumed as if nothing had happened."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import nan
from pathlib import Path

import pytest

from agents.demo.simulation import simulate
from agents.evaluate import SalientEvaluation
from agents.group import Grouping
from agents.partitions import PartitionStates
from agents.records import RecordBatch
from agents.triage import PartitionTriage
from models.bundle import Bundle
from models.options import EvaluateOptions
from schemas.alert import Alert
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
from schemas.watermark import Watermark
from tests.story.bundle import make_bundle
from tests.story.events import RECORDS, START

MANY_ALERTS = EvaluateOptions(false_alarms="0.05/unit", resolve_after=20.0)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.default()


@pytest.fixture(scope="module")
def records() -> RecordBatch:
    """Four minutes of services with incidents: a silence, ended requests, records that cannot be read."""
    values: list[bytes | None] = [event.encode() for event in simulate(3, 240.0, 20.0, incidents="demo")]
    values[1000:1000] = [b"", b'{"broken"', None]
    n = len(values)
    return RecordBatch("logs", 2, list(range(10, 10 + n)), values, [nan] * n, [None] * n, [[]] * n)


class Pipeline:
    """Triage, evaluation and incidents of one partition, with the alerts so far."""

    def __init__(self, bundle: Bundle, options: EvaluateOptions = MANY_ALERTS) -> None:
        def make(topic: str, partition: int) -> PartitionTriage:
            return PartitionTriage(bundle, TopicDecoder(ReadOptions()), topic, partition)

        self.triage = PartitionStates(make)
        self.evaluation = SalientEvaluation(bundle, options)
        self.grouping = Grouping(options)
        self.alerts: list[Alert] = []
        self.dead = 0

    def take(self, batch: RecordBatch) -> None:
        output = self.triage.of("logs", 2).process(batch)
        self.dead += len(output.dead)
        found = self.evaluation.process(output.messages)
        self.alerts += self.grouping.process(found, "qualm.suspicious", 1)

    def moved_to(self, other: Pipeline) -> Pipeline:
        """What another worker makes of the snapshots."""
        for name, data in self.triage.snapshot().items():
            other.triage.resume(*name, data)
        for name, data in self.grouping.states.snapshot().items():
            other.grouping.states.resume(*name, data)
        other.alerts, other.dead = self.alerts, self.dead
        return other


@pytest.mark.parametrize("cuts", [(1500,), (1, 2, 999, 1001, 3000), tuple(range(400, 4000, 400))])
@pytest.mark.parametrize("pages_per_hour", [20, 1])  # of which the last leaves incidents that never paged
def test_a_partition_goes_on_from_a_snapshot_as_if_nothing_had_happened(
    bundle: Bundle, records: RecordBatch, cuts: tuple[int, ...], pages_per_hour: int
) -> None:
    options = replace(MANY_ALERTS, pages_per_hour=pages_per_hour)
    undisturbed = Pipeline(bundle, options)
    undisturbed.take(records)
    assert {alert.status for alert in undisturbed.alerts} == {"firing", "resolved"}
    assert len(undisturbed.alerts) > 5
    grown = {"grown"} if pages_per_hour > 1 else set()
    assert {alert.update for alert in undisturbed.alerts} >= {"opened", "resolved"} | grown
    moved = Pipeline(bundle, options)
    for low, high in pairwise((0, *cuts, len(records))):
        moved.take(records[low:high])
        moved = moved.moved_to(Pipeline(bundle, options))
        moved.take(records[max(0, high - 100) : high])  # the broker repeats what was not committed
    assert [alert.encode() for alert in moved.alerts] == [alert.encode() for alert in undisturbed.alerts]
    assert moved.dead == undisturbed.dead == 3


def test_incidents_go_on_from_a_snapshot_after_any_message(bundle: Bundle, records: RecordBatch) -> None:
    triage = PartitionTriage(bundle, TopicDecoder(ReadOptions()), "logs", 2)
    options = replace(MANY_ALERTS, pages_per_hour=1)
    found = SalientEvaluation(bundle, options).process(triage.process(records).messages)
    undisturbed = Grouping(options).process(found, "qualm.suspicious", 1)
    assert len(undisturbed) > 5
    alerts: list[Alert] = []
    grouping = Grouping(options)
    for message in found:
        alerts += grouping.process([message], "qualm.suspicious", 1)
        snapshots, grouping = grouping.states.snapshot(), Grouping(options)
        for name, data in snapshots.items():
            grouping.states.resume(*name, data)
    assert [alert.encode() for alert in alerts] == [alert.encode() for alert in undisturbed]


def test_states_are_made_once_and_dropped_with_their_partition(bundle: Bundle) -> None:
    made: list[tuple[str, int]] = []

    def make(topic: str, partition: int) -> TopicDecoder:
        made.append((topic, partition))
        return TopicDecoder(ReadOptions())

    states = PartitionStates(make)
    first = states.of("a", 0)
    assert states.of("a", 0) is first
    states.of("a", 1)
    states.of("b", 0)
    assert made == [("a", 0), ("a", 1), ("b", 0)]
    states.drop("a", 0)
    states.drop("b", 0)
    states.drop("c", 0)
    assert list(states) == [("a", 1)]
    assert states.of("a", 0) is not first


def test_a_snapshot_of_what_has_seen_no_time_yet_goes_on(bundle: Bundle, records: RecordBatch) -> None:
    def fresh() -> PartitionTriage:
        return PartitionTriage(bundle, TopicDecoder(ReadOptions()), "logs", 2)

    undisturbed = fresh().process(records[:2000]).messages
    assert len(undisturbed) > 5
    nothing = RecordBatch("logs", 2, [3, 4], [b"{]", b'{"message":"a"}'], [nan] * 2, [None] * 2, [[]] * 2)
    for before in (RecordBatch("logs", 2, [], [], [], [], []), nothing[:1]):
        first, second = fresh(), fresh()
        first.process(before)
        second.resume(first.snapshot())
        assert second.process(records[:2000]).messages == undisturbed
    first, second = fresh(), fresh()
    first.process(nothing)
    second.resume(first.snapshot())
    assert second.process(records[:2000]).messages == first.process(records[:2000]).messages


def test_what_is_no_snapshot_is_refused_and_changes_nothing(bundle: Bundle, records: RecordBatch) -> None:
    pipeline = Pipeline(bundle)
    pipeline.take(records[:500])
    kept = pipeline.triage.of("logs", 2), pipeline.grouping.states.of("qualm.suspicious", 1)
    good = pipeline.triage.snapshot()["logs", 2]
    renamed = good.replace(b'"ring"', b'"gnir"')
    for bad in (b"", b"{}", b"\x80\x04cposix\nsystem\n", good[: len(good) // 2], renamed):
        with pytest.raises(ValueError, match="not a snapshot"):
            pipeline.triage.resume("logs", 2, bad)
        with pytest.raises(ValueError, match="not a snapshot"):
            pipeline.grouping.states.resume("qualm.suspicious", 1, bad)
    assert kept == (pipeline.triage.of("logs", 2), pipeline.grouping.states.of("qualm.suspicious", 1))


def test_a_snapshot_of_another_bundle_is_refused(bundle: Bundle, records: RecordBatch) -> None:
    pipeline = Pipeline(bundle)
    pipeline.take(records[:500])
    data = pipeline.triage.snapshot()["logs", 2]
    with pytest.raises(ValueError, match="another bundle"):
        pipeline.triage.resume("logs", 2, data.replace(bundle.digest.encode(), b"0" * 64))


def test_a_snapshot_at_any_record_of_the_story_changes_no_message(tmp_path: Path) -> None:
    """Watermarks too, which come only for a while after a salient event, and once a minute."""
    story = make_bundle(tmp_path)
    n = len(RECORDS)
    whole = RecordBatch("file", 0, list(range(n)), list(RECORDS), [nan] * n, [None] * n, [[]] * n)

    def fresh() -> PartitionTriage:
        return PartitionTriage(story, TopicDecoder(story.manifest.read_options()), "file", 0)

    undisturbed = fresh().process(whole).messages
    marks = [message.watermark - START for message in undisturbed if isinstance(message, Watermark)]
    assert marks == [120.0, 180.0, 240.0]  # full minutes with an event, after the first salient one
    for cut in range(1, n):
        before, after = fresh(), fresh()
        messages = before.process(whole[:cut]).messages
        after.resume(before.snapshot())
        assert messages + after.process(whole[cut:]).messages == undisturbed, cut
