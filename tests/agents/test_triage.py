"""Triage of a partition: when the detector fails on a record, and as one of several."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.demo.simulation import simulate
from agents.records import RecordBatch
from agents.triage import PartitionTriage
from models.bundle import Bundle
from models.context.features import NAMES
from models.false_alarms import FalseAlarms
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
from tests.story.bundle import make_bundle
from tests.story.events import line


def test_the_record_that_the_detector_fails_on_is_a_dead_letter_and_the_others_are_used(
    tmp_path: Path,
) -> None:
    bundle = make_bundle(tmp_path)
    weight = np.zeros(len(NAMES))
    weight[NAMES.index("severity_rank")] = 1e308  # six of it is no finite number any more
    spoilt = replace(bundle, weights=bundle.weights | {"prefilter.weight": weight})
    values: list[bytes | None] = [
        line(0, "api", "INFO", "fine"), line(1, "api", "ERROR", "not fine"), line(2, "api", "INFO", "fine"),
    ]  # fmt: skip
    triage = PartitionTriage(spoilt, TopicDecoder(bundle.manifest.read_options()), "logs", 4)
    batch = RecordBatch("logs", 4, [7, 8, 9], values, [float("nan")] * 3, [b"k", b"l", b"m"], [[]] * 3)
    with np.errstate(all="ignore"):
        output = triage.process(batch)
    (letter,) = output.dead
    assert (letter.topic, letter.partition, letter.offset, letter.key) == ("logs", 4, 8, b"l")
    assert (letter.value, letter.reason) == (values[1], "triage failed: ValueError")
    assert output.events == 2
    assert output.messages == []
    assert triage.process(batch).events == 0  # it is behind the position, dead letter and all


def test_parts_of_a_container_line_are_joined_within_a_key_of_a_partition() -> None:
    values: list[bytes | None] = [
        b"2024-05-01T12:34:56Z stdout P ERROR a ", b"2024-05-01T12:34:56Z stdout P ERROR b ",
        b"2024-05-01T12:34:57Z stdout F ends", b"2024-05-01T12:34:57Z stdout F ends",
    ]  # fmt: skip
    batch = RecordBatch("logs", 0, [1, 2, 3, 4], values, [1.7e9] * 4, [b"a", b"b", b"a", b"b"], [[]] * 4)
    decoder = TopicDecoder(ReadOptions(format="text"))
    assert batch.decode(decoder).events.message == ["a ends", "b ends"]


def test_partitions_together_keep_the_rate_that_was_asked_for() -> None:
    """However busy each is, what they let through together is what was asked of the topic."""
    bundle = Bundle.default()
    day = FalseAlarms.parse("1/day")
    alarms = 0.0  # a second
    for partition, rate in enumerate((2.0, 5.0, 20.0)):  # events a second
        values: list[bytes | None] = [each.encode() for each in simulate(partition, 300.0, rate)]
        n = len(values)
        batch = RecordBatch("t", partition, list(range(n)), values, [float("nan")] * n, [None] * n, [[]] * n)
        alone, one_of_three = (
            PartitionTriage(bundle, TopicDecoder(ReadOptions()), "t", partition, partitions)
            .process(batch)
            .results[-1]
            .rows.pace[-1:]
            for partitions in (1, 3)
        )
        assert one_of_three[0, 1] == alone[0, 1]  # units to an event are the same wherever they are counted
        alarms += day.shares(one_of_three)[0] * alone[0, 0]
    assert 86_400.0 * alarms == pytest.approx(1.0)
