"""What evaluate says of audited events: how many there were, and how many of them are suspicious."""

import pytest

from agents.evaluate import SalientEvaluation
from models.bundle import Bundle
from models.options import EvaluateOptions
from schemas.salient import SalientEvent, Trigger
from schemas.suspicious import Suspicious
from tests.story.bundle import make_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("audit") / "bundle")


def event(bundle: Bundle, number: int, logit: float, wires: list[int], audit: bool = True) -> SalientEvent:
    x = [0.0] * len(bundle.manifest.features)
    return SalientEvent(
        id=f"{number:032x}", topic="t", partition=0, offset=number, record=0, bundle=bundle.digest,
        trigger=Trigger.EVENT, time=1e9, watermark=1e9, source=f"s{number}", features=x, wires=[0.0, 0.0],
        open_wires=wires, prefilter=logit, threshold=2.4, audit=audit,
    )  # fmt: skip


def told(bundle: Bundle, *events: SalientEvent) -> tuple[list[tuple[int, int]], list[str]]:
    """What is said of the audit, and the sources of suspicious events."""
    said: list[tuple[int, int]] = []
    evaluation = SalientEvaluation(bundle, EvaluateOptions(false_alarms="0.05/unit"))
    evaluation.on_audit = lambda audited, missed: said.append((audited, missed))
    found = evaluation.process(events)
    return said, [each.alert.source for each in found if isinstance(each, Suspicious)]


def test_audited_events_are_counted_apart_and_missed_by_the_score_they_have(bundle: Bundle) -> None:
    """Of 19 normal units none scores above 9 by the hybrid, and above 10 by the prefilter: p = 1/20 there.

    With both wires open at 0 the hybrid says logit - 2.4, as 3 is added and 3 taken off; without any it says
    0 at most, but the prefilter its logit.
    """
    events = [
        event(bundle, 1, 11.5, [1, 1]),  # 9.1: missed, and suspicious as any other
        event(bundle, 2, 11.3, [1, 1]),  # 8.9: p = 2/20
        event(bundle, 3, 10.5, [0, 0]),  # the gate had nothing for it, the prefilter does: missed
        event(bundle, 4, 9.5, [0, 0]),
        event(bundle, 5, 20.0, [1, 1], audit=False),
    ]
    said, sources = told(bundle, *events)
    assert said == [(4, 2)]
    assert sources == ["s1", "s5"]
    assert told(bundle, events[4])[0] == []
