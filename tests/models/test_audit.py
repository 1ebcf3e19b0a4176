"""The audited sample: the same in each replay, and blind to what rows say."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from agents.demo.simulation import simulate
from models.audit import SHARE, sampled
from models.bundle import Bundle
from models.detector import Triage, TriageResult
from models.evaluation import missed
from models.training.rows import chunks
from schemas.events import EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
from schemas.salient import SalientEvent

N = 2_000_000


def sample(topic: str, partition: int, step: int = 1, record: int = 0, nth: int = 0) -> NDArray[np.bool_]:
    """Of rows at N offsets that are step apart."""
    same = np.ones(N, np.int64)
    trigger = np.zeros(N, np.int8)
    return sampled(topic, partition, np.arange(N) * step, same * record, trigger, same * nth)


def test_one_in_a_thousand_is_chosen_wherever_it_stands() -> None:
    """Over 2,000,000 offsets, next to each other or 1024 apart, and over every tenth of them."""
    low, high = binom.ppf([1e-4, 1 - 1e-4], N // 10, SHARE)
    for found in (sample("logs", 0), sample("logs", 1), sample("other", 0, 1024), sample("logs", 0, 1, 3)):
        counts = found.reshape(10, -1).sum(axis=1)
        assert (low <= counts).all(), counts
        assert (counts <= high).all(), counts


def test_partitions_records_and_rows_of_one_event_are_chosen_apart() -> None:
    """Two samples share a thousandth of each other: about 2 of the 2,000."""
    first = sample("logs", 0)
    for other in (sample("logs", 1), sample("log", 0), sample("logs", 0, record=1), sample("logs", 0, nth=1)):
        assert (first & other).sum() < 15
    assert (first == sample("logs", 0)).all()


def test_a_missed_row_in_the_sample_stands_for_a_thousand() -> None:
    """Bounds of a Poisson mean from tables (Garwood, 1936): for 0, 3.689; for 2, 0.242 and 7.225."""
    assert missed(0, 1_000_000) == (0.0, [0.0, pytest.approx(3689.0, abs=1.0)])
    value, interval = missed(2, 1_000_000)
    assert value == pytest.approx(2000.0)
    assert interval == pytest.approx([242.0, 7225.0], abs=1.0)
    assert missed(0, 100)[1] == [0.0, 100.0]  # not more than there were


def simulated() -> EventBatch:
    values = [event.encode() for event in simulate(6, 400.0, 50.0)]
    return TopicDecoder(ReadOptions()).decode(values, range(len(values)), [None] * len(values)).events


def test_triage_sends_a_thousandth_of_what_it_rejects_beside_the_budget() -> None:
    events, bundle = simulated(), Bundle.default()
    triage = Triage(bundle, "t", 0)
    results = [triage.process(batch) for batch in chunks(events, 700)]
    sent = [audited(result) for result in results]
    rejected = sum(len(result.rows) - len(result.salient_rows) for result in results)
    low, high = binom.ppf([1e-4, 1 - 1e-4], rejected, SHARE)
    assert low <= sum(map(len, sent)) <= high
    for result, some in zip(results, sent, strict=True):
        assert [event.prefilter for event in some] == result.logits[result.audited_rows].tolist()
        assert not set(result.audited_rows.tolist()) & set(result.salient_rows.tolist())
        assert all(event.prefilter < event.threshold or not any(event.open_wires) for event in some)
    again = Triage(bundle, "t", 0).process(events)
    assert audited(again) == [event for some in sent for event in some]


def audited(result: TriageResult) -> list[SalientEvent]:
    return [each for each in result.messages if isinstance(each, SalientEvent) and each.audit]
