"""The detector end to end on simulated services: training, bundle on disk, triage, evaluation."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from agents.demo.simulation import simulate
from models.bundle import CONTEXT, ENCODER, FILES, MANIFEST, WEIGHTS, Bundle, BundleError
from models.detector import Evaluator, Triage
from models.labels import Labels
from models.options import EvaluateOptions, TrainingOptions
from models.scores import ALERTS_BY, PUBLISHED, ScoreName
from models.training import prefilter
from models.training import train as training_module
from models.training.rows import TrainingRows, build, chunks
from models.training.train import train
from schemas.events import EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
from schemas.salient import SalientEvent
from schemas.watermark import SalientMessage, decode_salient

OPTIONS = TrainingOptions(seed=1, wires=4, layers=1, steps=10, salience_budget=0.1)
READING = ReadOptions(format="json")


def simulated(seed: int = 5) -> EventBatch:
    values = [event.encode() for event in simulate(seed, 60.0, 50.0)]
    decoded = TopicDecoder(ReadOptions()).decode(values, range(len(values)), [float("nan")] * len(values))
    assert not decoded.failures
    return decoded.events


def rows_of(labels: Labels | None = None) -> TrainingRows:
    return build(simulated(), labels, READING, OPTIONS, lambda *_: None)


@pytest.fixture(scope="module", autouse=True)
def few_steps() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:  # a good prefilter is not what these tests are about
        patch.setattr(prefilter, "STEPS", 40)
        yield


@pytest.fixture(scope="module")
def rows() -> TrainingRows:
    return rows_of()


@pytest.fixture(scope="module")
def saved(rows: TrainingRows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "bundle"
    train(rows, OPTIONS, lambda *_: None).save(path)
    return path


@pytest.fixture(scope="module")
def bundle(saved: Path) -> Bundle:
    return Bundle.load(saved)


@pytest.fixture(scope="module")
def messages(bundle: Bundle) -> list[SalientMessage]:
    found = Triage(bundle, "t", 0).process(simulated(6)).messages
    assert len(found) > 20
    return found


def test_same_seed_same_digest(saved: Path, tmp_path: Path) -> None:
    again = train(rows_of(), OPTIONS, lambda *_: None).save(tmp_path / "again")
    assert again.digest == Bundle.load(saved).digest


def test_another_seed_another_digest(rows: TrainingRows, bundle: Bundle, tmp_path: Path) -> None:
    other = train(rows, replace(OPTIONS, seed=2), lambda *_: None).save(tmp_path / "other")
    assert other.digest != bundle.digest


def test_labels_are_used(tmp_path: Path) -> None:
    entities = sorted(set(simulated().entity) - {""})
    labels = Labels({entity: i % 7 == 0 for i, entity in enumerate(entities)})
    made = train(rows_of(labels), OPTIONS, lambda *_: None).save(tmp_path / "labelled")
    assert made.manifest.training["labels"] == len(entities)
    assert all(each.entity.suspected == each.source.suspected == 0.0 for each in made.calibrations.values())
    with pytest.raises(ValueError, match="no label names an entity"):
        rows_of(Labels({"nobody": True}))


def test_too_few_events_are_refused() -> None:
    few = next(chunks(simulated(), 100))
    with pytest.raises(ValueError, match="100 events are too few"):
        build(few, None, READING, OPTIONS, lambda *_: None)


def test_triage_does_not_depend_on_batches(bundle: Bundle, messages: list[SalientMessage]) -> None:
    for size in (7, 37, 1000):
        triage = Triage(bundle, "t", 0)
        parts = [triage.process(batch) for batch in chunks(simulated(6), size)]
        assert [message for part in parts for message in part.messages] == messages
    events = to_score(messages)
    assert len({event.id for event in events}) == len(events)


def to_score(messages: list[SalientMessage]) -> list[SalientEvent]:
    return [message for message in messages if isinstance(message, SalientEvent)]


def table(evaluator: Evaluator, events: list[SalientEvent]) -> list[tuple[float, ...]]:
    """All scores and p-values, an event a row."""
    found = evaluator.score(events, list(ScoreName))
    columns = [*found.values.values(), *found.p_values.values()]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_what_is_missing_is_named_though_the_stream_never_showed_it(bundle: Bundle) -> None:
    """Requests that stop at once: what they lack is known from training alone."""
    whole = simulated(6)
    first = {name: i for i, name in reversed(list(enumerate(whole.entity))) if name}
    stopped = sorted(first.values())[:40]
    events = EventBatch(*([getattr(whole, name)[i] for i in stopped] for name in EventBatch.__slots__))
    tick = replace_time(events, events.time[-1] + 1000.0)
    triage = Triage(
        replace(bundle, manifest=bundle.manifest.model_copy(update={"prefilter_threshold": 0.5})), "t", 0
    )
    found = [*triage.process(events).messages, *triage.process(tick).messages]
    missing = [
        reason.template
        for message in found
        if isinstance(message, SalientEvent)
        for reason in message.evidence
        if reason.kind == "overdue"
    ]
    assert missing
    assert all(missing)


def test_ids_tell_apart_what_many_ends_at_one_event_say_of_a_source(bundle: Bundle) -> None:
    """Requests take turns for hours; then many hang, and all end at the one event that comes after them."""
    requests = [
        (1e9 + 20.0 * i + 0.1 * j, 9, "s", f"r{i}", step, None, 3 * i + j, 0, "")
        for i in range(400)
        for j, step in enumerate(("begin it", "work at it", "commit it"))
    ]
    hung = [(1e9 + 8000.0 + 0.5 * i, 9, "s", f"h{i}", "begin it", None, 1200 + i, 0, "") for i in range(12)]
    late = (1e9 + 8_400.0, 9, "other", "", "tick", None, 1300, 0, "")
    found = Triage(bundle, "t", 0).process(EventBatch.of([*requests, *hung, late]))
    said = [message for message in found.messages if isinstance(message, SalientEvent)]
    assert sum(event.trigger == "source" and event.offset == 1300 for event in said) > 1
    assert len({event.id for event in said}) == len(said)


def replace_time(events: EventBatch, time: float) -> EventBatch:
    """The last event at another time, of no entity."""
    columns = {name: getattr(events, name)[-1:] for name in EventBatch.__slots__}
    return EventBatch(**columns | {"time": [time], "entity": [""]})


def test_scores_do_not_depend_on_batches_or_json(bundle: Bundle, messages: list[SalientMessage]) -> None:
    evaluator = Evaluator(bundle)
    scored = to_score(messages)
    whole = table(evaluator, scored)
    assert [table(evaluator, [event])[0] for event in scored] == whole
    assert table(evaluator, [decode_salient(event.encode()) for event in scored]) == whole
    assert table(evaluator, []) == []
    assert all(0.0 < p <= 1.0 for row in whole for p in row[len(ScoreName) :])
    with pytest.raises(ValueError, match="another shape"):
        Evaluator(Bundle.default()).score(scored)
    with pytest.raises(ValueError, match="another shape"):
        evaluator.check(scored[0].model_copy(update={"features": [1.0]}))


def test_only_the_scores_asked_for_are_given_and_they_are_the_same(
    bundle: Bundle, messages: list[SalientMessage]
) -> None:
    evaluator, scored = Evaluator(bundle), to_score(messages)
    whole = evaluator.score(scored, list(ScoreName))
    published = evaluator.score(scored)
    assert set(published.values) == set(published.p_values) == {"prefilter", "twin", "hybrid_int8"}
    for name in ScoreName:
        alone = evaluator.score(scored, [name])
        assert alone.values[name].tolist() == whole.values[name].tolist()
        assert alone.p_values[name].tolist() == whole.p_values[name].tolist()


def test_an_event_without_open_wires_has_the_score_without_a_circuit(bundle: Bundle) -> None:
    evaluator, threshold = Evaluator(bundle), bundle.manifest.prefilter_threshold
    wires, is_open = np.full((3, 4), 0.5, np.float32), np.zeros((3, 4), bool)
    wires[2], is_open[1] = np.nan, True
    logit = np.array([threshold - 2.0, threshold + 1.0, threshold + 3.0])
    found = evaluator.score_arrays(wires, is_open, logit, list(ScoreName))
    alone = evaluator.score_arrays(wires[1:2], is_open[1:2], logit[1:2], list(ScoreName))
    assert found.pop(ScoreName.PREFILTER).tolist() == logit.tolist()
    for name, scores in found.items():
        assert scores[0] == -2.0
        assert scores[2] == 0.0  # just let through, and nothing more is known
        assert scores[1] == alone[name][0]


def test_numbers_that_are_not_finite_are_refused(bundle: Bundle) -> None:
    evaluator = Evaluator(bundle)
    wires, is_open = np.full((1, 4), 0.5, np.float32), np.ones((1, 4), bool)
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="finite"):
            evaluator.score_arrays(wires, is_open, np.array([bad]), PUBLISHED)
        for names in (PUBLISHED, list(ScoreName)):
            with pytest.raises(ValueError, match="finite"):
                evaluator.score_arrays(np.full((1, 4), bad, np.float32), is_open, np.zeros(1), names)


def test_a_row_is_salient_only_if_it_makes_its_unit_one_of_the_budgets_share(rows: TrainingRows) -> None:
    """Half of the rows may pass, but half of them say nothing."""
    half = train(rows, replace(OPTIONS, salience_budget=0.5), lambda *_: None)
    assert half.manifest.prefilter_threshold == pytest.approx(np.log(2.0))


def test_training_reaches_the_open_wires_asked_for(rows: TrainingRows) -> None:
    for target in (1.5, 3.0):
        made = train(rows, replace(OPTIONS, steps=200, open_wires=target), lambda *_: None)
        assert made.manifest.training["open_wires_reached"] == pytest.approx(target, abs=0.3)


def test_alpha_is_learnt_and_then_frozen(rows: TrainingRows, monkeypatch: pytest.MonkeyPatch) -> None:
    learnt = train(rows, OPTIONS, lambda *_: None).weights["gate.alpha"]
    assert (learnt != 10.0).all()
    monkeypatch.setattr(training_module, "FREEZE_ALPHA", 0.0)
    assert (train(rows, OPTIONS, lambda *_: None).weights["gate.alpha"] == 10.0).all()


@pytest.mark.parametrize("preset", ["reuploading", "threshold"])
def test_every_preset_is_trained_saved_and_evaluated(rows: TrainingRows, tmp_path: Path, preset: str) -> None:
    made = train(rows, replace(OPTIONS, preset=preset, layers=2), lambda *_: None).save(tmp_path / preset)
    assert made.manifest.preset == preset
    scored = to_score(Triage(made, "t", 0).process(simulated(6)).messages)[:20]
    ours, theirs = (
        Evaluator(made, EvaluateOptions(device)).score(scored, list(ScoreName)).values
        for device in ("compiled", "default.qubit")
    )
    for name in ScoreName:
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-5)
    assert len(set(ours[ScoreName.DENSITY].tolist())) > 5


def test_more_wires_than_are_compiled_are_evaluated_on_a_device(rows: TrainingRows, tmp_path: Path) -> None:
    options = replace(OPTIONS, wires=13, steps=1)
    made = train(rows, options, lambda *_: None).save(tmp_path / "wide")
    failed: list[str] = []
    scored = to_score(Triage(made, "t", 0).process(simulated(6)).messages)[:3]
    evaluator = Evaluator(made, EvaluateOptions("compiled"), on_failure=failed.append)
    assert np.isfinite(evaluator.score(scored).values[ALERTS_BY]).sum() == 3
    assert failed[0] == "compiled"
    assert evaluator.device != "compiled"


@pytest.mark.parametrize("device", ["lightning.qubit", "default.qubit", "qiskit.aer"])
def test_devices_agree(bundle: Bundle, messages: list[SalientMessage], device: str) -> None:
    if device == "qiskit.aer":
        pytest.importorskip("pennylane_qiskit")
    scored = to_score(messages)[:20]
    ours, theirs = (
        Evaluator(bundle, EvaluateOptions(name)).score(scored, list(ScoreName)).values
        for name in ("compiled", device)
    )
    for name in ScoreName:
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-5)


def test_lines_of_an_entity_out_of_order_are_judged(bundle: Bundle) -> None:
    """As in exports of OpenTelemetry, whose records are grouped by service."""
    events = simulated(8)
    order = sorted(range(len(events)), key=lambda row: (row // 100, events.source[row]))
    events = EventBatch(*([getattr(events, name)[row] for row in order] for name in EventBatch.__slots__))
    triage = Triage(bundle, "t", 0)
    reasons = [
        reason
        for batch in chunks(events, 100)
        for event in to_score(triage.process(batch).messages)
        for reason in event.evidence
    ]
    assert any(reason.age == 0.0 for reason in reasons)
    assert all(reason.age >= 0.0 for reason in reasons)


def test_events_without_a_time_can_be_salient(bundle: Bundle) -> None:
    events = simulated(6)
    events.time = [float("nan")] * len(events)
    assert to_score(Triage(bundle, "t", 0).process(events).messages)


def test_round_trip(saved: Path, bundle: Bundle, tmp_path: Path) -> None:
    again = bundle.save(tmp_path / "copy")
    assert again.digest == bundle.digest
    assert sorted(path.name for path in saved.iterdir()) == sorted([*FILES, MANIFEST])
    for path in saved.iterdir():
        assert path.read_bytes() == (tmp_path / "copy" / path.name).read_bytes()


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_missing_or_damaged_file_is_refused(saved: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "bundle"
    shutil.copytree(saved, path)
    data = bytearray((path / name).read_bytes())
    data[len(data) // 2] ^= 0xFF
    (path / name).write_bytes(data)
    with pytest.raises(BundleError, match=r"damaged|not a qualm bundle"):
        Bundle.load(path)
    (path / name).unlink()
    with pytest.raises(BundleError, match="no bundle here"):
        Bundle.load(path)


def hostile(saved: Path, path: Path, name: str, change: Callable[[Any], Any]) -> Path:
    """A copy with a change to the manifest, to arrays or to bytes, and digests that match it."""
    shutil.copytree(saved, path)
    manifest = json.loads((path / MANIFEST).read_text())
    if name == MANIFEST:
        manifest = change(manifest)
    else:
        data = (path / name).read_bytes()
        new = save(change(load(data))) if name.endswith(".safetensors") else change(data)
        (path / name).write_bytes(new)
        manifest["files"][name] = hashlib.sha256(new).hexdigest()
    (path / MANIFEST).write_text(json.dumps(manifest))
    return path


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        (MANIFEST, lambda _: {"name": "left-pad", "version": "1.0"}, "not a qualm bundle"),
        (MANIFEST, lambda _: [1, 2], "not a qualm bundle"),
        (MANIFEST, lambda m: {"format": 99, "new": 1}, "bundle format 99"),
        (MANIFEST, lambda m: m | {"features": ["a"]}, "other features"),
        (MANIFEST, lambda m: m | {"wires": 10**9}, "wires"),
        (MANIFEST, lambda m: m | {"wires": 5}, "gate.tau"),
        (MANIFEST, lambda m: m | {"layers": 3}, "circuit weights|twin"),
        (MANIFEST, lambda m: m | {"preset": "magic"}, "preset"),
        (MANIFEST, lambda m: m | {"entity_timeout": -1}, "entity_timeout"),
        (MANIFEST, lambda m: m | {"prefilter_threshold": float("nan")}, "prefilter_threshold"),
        (MANIFEST, lambda m: m | {"false_alarms": "often"}, "false_alarms"),
        (WEIGHTS, lambda w: {k: v for k, v in w.items() if k != "circuit.weights"}, "circuit.weights"),
        (WEIGHTS, lambda w: w | {"typical": w["typical"] * np.nan}, "finite"),
        (WEIGHTS, lambda w: w | {"gate.tau": w["gate.tau"].astype(np.int32)}, "floating point"),
        (WEIGHTS, lambda w: w | {"tail.entity.hybrid": np.array([1.0, -1.0, 0.0])}, "calibration of hybrid"),
        (
            WEIGHTS,
            lambda w: w | {"calibration.source.twin": w["calibration.source.twin"][::-1].copy()},
            "calibration of twin",
        ),
        (WEIGHTS, lambda w: w | {"twin.weights": np.zeros(99, np.float32)}, "twin.weights"),
        (WEIGHTS, lambda w: w | {"density.counts": w["density.counts"] * 0}, "density"),
        (WEIGHTS, lambda w: {k: v for k, v in w.items() if k != "density.matrices"}, "density.matrices"),
        (CONTEXT, lambda c: c | {"counts.slots": c["counts.slots"] + (1 << 28)}, "counts"),
        (CONTEXT, lambda c: c | {"clock": np.full_like(c["clock"], 255)}, "clock"),
        (ENCODER, lambda _: b"not a model", "ONNX"),
        (ENCODER, lambda _: b"\x80\x04cposix\nsystem\n", "ONNX"),
    ],
)
def test_hostile_bundles_are_refused(
    saved: Path, tmp_path: Path, name: str, change: Callable[[Any], Any], reason: str
) -> None:
    with pytest.raises(BundleError, match=reason):
        Bundle.load(hostile(saved, tmp_path / "hostile", name, change))


def test_a_bundle_of_other_things_is_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle here"):
        Bundle.load(tmp_path / "nowhere")
    path = hostile(saved, tmp_path / "swapped", MANIFEST, lambda m: m)
    (path / MANIFEST).write_text("[" * 100_000)
    with pytest.raises(BundleError, match="not a qualm bundle"):
        Bundle.load(path)
    (path / MANIFEST).write_bytes(b"\x80\x04\x95\xff")
    with pytest.raises(BundleError, match="not a qualm bundle"):
        Bundle.load(path)
