"""Attribution: what each feature and open wire adds to a score, by hand and against a detector without it."""

from math import cos, log, pi, tanh

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.demo.simulation import DEMO_START, demo_incidents, simulate
from models.attribution import Part, attribute, usual_values
from models.bundle import Bundle
from models.context.features import NAMES, WIDTH
from models.detector import Evaluator, InferenceGate, Triage
from models.scores import ALERTS_BY
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
from schemas.salient import SalientEvent, Trigger
from tests.story.bundle import THRESHOLD, make_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The story's: a row says its severity_rank, of which 1 is typical; its docstring has the rest."""
    return make_bundle(tmp_path_factory.mktemp("attribution") / "bundle")


@pytest.fixture(scope="module")
def evaluator(bundle: Bundle) -> Evaluator:
    return Evaluator(bundle)


def event(bundle: Bundle, prefilter_score: float, **features: float) -> SalientEvent:
    x = np.array([[features.get(name, 0.0) for name in NAMES]], np.float32)
    wires, is_open = InferenceGate(bundle.models, bundle.weights)(x)
    return SalientEvent(
        id="0" * 32, topic="t", partition=0, offset=0, record=0, bundle=bundle.digest, trigger=Trigger.EVENT,
        time=0.0, watermark=0.0, entity="e", features=x[0].tolist(), wires=wires[0].tolist(),
        open_wires=is_open[0].astype(int).tolist(), prefilter=prefilter_score,
        threshold=THRESHOLD,
    )  # fmt: skip


def part(found: list[Part], name: str) -> Part:
    return next(each for each in found if each.name == name)


def test_all_the_way_by_hand(bundle: Bundle, evaluator: Evaluator) -> None:
    """An error, beyond the knee of 5 nats, of a unit that shows 4 nats of evidence; both wires are open."""
    said, z_0, z_1 = 5.0 + 2.0 * log(1.5), cos(pi * tanh(0.6)), cos(pi * tanh(0.8))
    found = attribute(
        bundle, evaluator, event(bundle, said + 4.0, severity_rank=6.0, unit_ending=4.0), (0.0, 1.0)
    )
    above = said + 4.0 - THRESHOLD
    whole = above + 3.0 - 2.0 * z_0 - z_1
    assert (found.prefilter, found.score) == (pytest.approx(above), pytest.approx(whole))
    # One nat is left of the line, and tanh(0.1) is just below the gate's 0.1: the wire reads 1.
    rank = part(found.features, "severity_rank")
    assert (rank.value, rank.usual) == (6.0, 1.0)
    assert rank.score == pytest.approx(1.0 + 4.0 - THRESHOLD + 3.0 - 2.0 - z_1)
    assert rank.adds == pytest.approx(whole - rank.score)
    ending = part(found.features, "unit_ending")
    assert (ending.value, ending.usual) == (4.0, 0.0)  # evidence goes to 0, and not to what is typical
    assert ending.score == pytest.approx(said - THRESHOLD + 3.0 - 2.0 * z_0 - 1.0)
    # Closing a wire leaves the prefilter's score as it is.
    assert part(found.wires, "0").score == pytest.approx(above + 3.0 - 2.0 - z_1)
    assert part(found.wires, "1").score == pytest.approx(above + 3.0 - 2.0 * z_0 - 1.0)
    assert part(found.wires, "0").value == pytest.approx(tanh(0.6))
    for parts in (found.features, found.wires):
        assert [each.adds for each in parts] == sorted((each.adds for each in parts), reverse=True)
        assert len(parts) == 2


def test_the_scale_of_the_context_is_kept(bundle: Bundle, evaluator: Evaluator) -> None:
    """Where 1.5 is usual with a spread of 0.5, an error is 9 nats beyond, and what is typical is nothing."""
    said = 5.0 + 2.0 * log(3.0)
    error = event(bundle, said + 4.0, severity_rank=6.0, unit_ending=4.0)
    found = attribute(bundle, evaluator, error, (1.5, 0.5))
    rank = part(found.features, "severity_rank")
    assert rank.score == pytest.approx(0.0 + 4.0 - THRESHOLD + 3.0 - 2.0 - cos(pi * tanh(0.8)))
    with pytest.raises(ValueError, match="scale"):
        attribute(bundle, evaluator, error, (0.0, 1.0))


def test_what_the_prefilter_would_drop_runs_no_circuit(bundle: Bundle, evaluator: Evaluator) -> None:
    found = attribute(bundle, evaluator, event(bundle, 3.0, severity_rank=3.0), (0.0, 1.0))
    (rank,) = found.features
    assert rank.score == pytest.approx(1.0 - THRESHOLD)
    assert rank.p_value == 1.0
    (wire,) = found.wires  # without it no wire is open: at most the score of an event just let through
    assert (wire.name, wire.score) == ("0", 0.0)
    # 0.6 + 3 - 2 cos(pi tanh 0.3) - 1 = 1.39: three of the 19 normal units score as high
    assert found.score == pytest.approx(0.6 + 2.0 - 2.0 * cos(pi * tanh(0.3)))
    assert found.p_value == 4 / 20


def test_what_is_not_beyond_the_usual_is_no_part(bundle: Bundle, evaluator: Evaluator) -> None:
    usual = usual_values(bundle)
    assert usual[NAMES.index("severity_rank")] == 1.0
    assert usual[NAMES.index("entity_gap")] == 30.0
    assert usual[NAMES.index("unit_ending")] == 0.0
    found = attribute(
        bundle, evaluator, event(bundle, 5.0, severity_rank=1.0, entity_gap=30.0, unit_ending=4.0), (0.0, 1.0)
    )
    assert [each.name for each in found.features] == ["unit_ending"]


def test_a_trained_detector_without_each_part() -> None:
    """The parts of real events are what the same rows have, one at a time, that never had them."""
    bundle = Bundle.default()
    evaluator, usual = Evaluator(bundle), usual_values(bundle)
    triggers, scales = set(), set()
    for salient, scale in salient_events(bundle):
        found = attribute(bundle, evaluator, salient, scale)
        scores = evaluator.score([salient])
        assert found.score == scores.values[ALERTS_BY][0]
        assert found.p_value == scores.p_values[ALERTS_BY][0]
        x = np.array(salient.features, np.float32)
        assert {each.name for each in found.features} == {NAMES[i] for i in range(WIDTH) if x[i] > usual[i]}
        for each in found.features:
            column = NAMES.index(each.name)
            changed = np.where(np.arange(WIDTH) == column, usual, x)
            assert (each.score, each.p_value) == pytest.approx(
                naive(bundle, evaluator, salient, scale, changed)
            )
        triggers.add(salient.trigger)
        scales.add(tuple(scale))
    assert triggers >= {Trigger.EVENT, Trigger.SOURCE}
    assert len(scales) > 5  # those of sources, and of kinds of entities, that this stream has settled


def salient_events(bundle: Bundle) -> list[tuple[SalientEvent, list[float]]]:
    """Some of those of a simulated stream, with the scale of their rows."""
    values = [each.encode() for each in simulate(3, 400.0, 20.0, DEMO_START, demo_incidents(400.0))]
    none = [float("nan")] * len(values)
    events = TopicDecoder(ReadOptions()).decode(values, range(len(values)), none).events
    result = Triage(bundle, "t", 0).process(events)
    salient = [each for each in result.messages if isinstance(each, SalientEvent)]
    scales = result.rows.scale[result.sent_rows].tolist()
    return list(zip(salient, scales, strict=True))[::3]


def naive(
    bundle: Bundle, evaluator: Evaluator, of: SalientEvent, scale: list[float], x: NDArray[np.float32]
) -> tuple[float, float]:
    """Score and p-value of an event with other features: the definitions, for one row."""
    weight, bias = bundle.weights["prefilter.weight"], bundle.weights["prefilter.bias"]
    first = NAMES.index("unit_new")  # of the columns of evidence
    logit = sum(x[first:].tolist())
    if of.trigger in (Trigger.EVENT, Trigger.ENTITY_END):
        said = bias.tolist()[of.trigger.code] + float(x[:first].astype(float) @ weight[:first])
        beyond = max(0.0, (said - scale[0]) / scale[1])
        logit += beyond if beyond <= 5.0 else 5.0 + 2.0 * log(1.0 + (beyond - 5.0) / 2.0)
    wires, is_open = InferenceGate(bundle.models, bundle.weights)(x[None])
    if logit < of.threshold and not of.audit:
        is_open[:] = False
    changed = of.model_copy(
        update={
            "features": x.tolist(), "wires": wires[0].tolist(), "prefilter": logit,
            "open_wires": is_open[0].astype(int).tolist(),
        }
    )  # fmt: skip
    scores = evaluator.score([changed])
    return float(scores.values[ALERTS_BY][0]), float(scores.p_values[ALERTS_BY][0])
