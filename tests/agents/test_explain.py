"""An alert explained is the alert that was raised: in the story, and in a simulated stream."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agents.demo.simulation import DEMO_START, demo_incidents, simulate, write_file
from agents.evaluate import SalientEvaluation
from agents.explain import Explained, ExplainError, Found, NotFoundError, Wanted, find, judge
from agents.inputs.inputs import InputError, Inputs
from agents.replay import Replay
from agents.settings import load_settings
from models.bundle import Bundle
from models.options import EvaluateOptions
from schemas.alert import Alert
from schemas.formats.options import ReadOptions
from tests.story import tell
from tests.story.bundle import RATE, make_bundle

INCIDENT = {"first_seen", "last_seen", "count"}  # what an alert says of its incident


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("explain") / "bundle")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tell.written(tmp_path_factory.mktemp("explain") / "story.jsonl")


@pytest.fixture(scope="module")
def alerts(bundle: Bundle, story: Path) -> list[Alert]:
    """Everything suspicious, as alerts; those of one incident are not all published."""
    return tell.directly(bundle, 84)[0]


def explained(bundle: Bundle, file: Path, wanted: Wanted, accepted: str = RATE) -> tuple[Found, Explained]:
    reading = bundle.manifest.read_options()
    made = evaluation(bundle, accepted)
    inputs = Inputs([str(file)], load_settings())
    found = find(wanted, inputs, bundle, reading, false_alarms=made.false_alarms)
    return found, judge(found, wanted.alert, bundle, made)


def evaluation(bundle: Bundle, accepted: str) -> SalientEvaluation:
    return SalientEvaluation(bundle, EvaluateOptions(false_alarms=accepted))


def of_event(alert: Alert) -> dict[str, object]:
    return alert.model_dump(exclude=INCIDENT)


@pytest.mark.parametrize("whole", [True, False])
def test_every_alert_of_the_story_is_made_again(
    bundle: Bundle, story: Path, alerts: list[Alert], whole: bool
) -> None:
    assert len(alerts) == 11
    for alert in alerts:
        _, again = explained(bundle, story, Wanted(alert.id, alert if whole else None))
        assert of_event(again.alert) == of_event(alert)
        assert again.reproduced
        assert again.attribution.p_value == alert.p_value


def test_the_lines_before(bundle: Bundle, story: Path, alerts: list[Alert]) -> None:
    shown = []
    for alert in alerts:
        found, _ = explained(bundle, story, Wanted(alert.id, alert))
        assert found.line is not None
        shown.append(([line.message for line in found.before], found.line.message))
    assert shown == [
        ([f"disk {i} is well" for i in range(45, 50)], "request r1 accepted"),  # fell silent
        (["request r1 accepted"], "payment of 0 EUR refused"),
        (["request r1 accepted", "payment of 0 EUR refused"], "payment of 1 EUR refused"),
        (
            ["request r1 accepted", *(f"payment of {i} EUR refused" for i in range(2))],
            "payment of 2 EUR refused",
        ),
        (
            ["request r1 accepted", *(f"payment of {i} EUR refused" for i in range(3))],
            "payment of 3 EUR refused",
        ),
        ([f"invoice i{i} opened" for i in range(5)], "answer took 900 ms"),
        ([*(f"invoice i{i} opened" for i in range(1, 5)), "answer took 900 ms"], "out of memory"),
        ([f"disk {i} is well" for i in range(45, 50)], "request r6 accepted"),  # still silent
        (["request r0 accepted", "request r0 done"], "tick"),  # time tells
        ([f"disk {i} is well" for i in range(45, 50)], "tick"),  # silent for as long as it has spoken
        (["request r8 accepted"], "tick"),
    ]


def test_reading_ends_with_the_alert_or_its_record(
    bundle: Bundle, story: Path, alerts: list[Alert], tmp_path: Path
) -> None:
    rotated, broken = tmp_path / "a.log.1", tmp_path / "a.log"  # read one after the other
    rotated.write_bytes(story.read_bytes())
    broken.write_bytes(b"\x1f\x8b and no more")

    def search(wanted: Wanted) -> Found:
        inputs = Inputs([str(rotated), str(broken)], load_settings())
        return find(wanted, inputs, bundle, bundle.manifest.read_options())

    assert search(Wanted(alerts[0].id)).line
    with pytest.raises(NotFoundError):
        search(Wanted("0" * 32, alerts[0].model_copy(update={"id": "0" * 32})))
    with pytest.raises(InputError):
        search(Wanted("0" * 32))


def test_another_p_value_is_not_reproduced(bundle: Bundle, story: Path, alerts: list[Alert]) -> None:
    other = alerts[0].model_copy(update={"p_value": 0.15})
    assert not explained(bundle, story, Wanted(other.id, other))[1].reproduced


def test_of_rows_with_one_id_the_first_suspicious_one_has_the_alert(
    bundle: Bundle, story: Path, alerts: list[Alert]
) -> None:
    found, _ = explained(bundle, story, Wanted(alerts[0].id))
    ((event, scale),) = found.candidates
    mild = event.model_copy(update={"prefilter": 0.0, "open_wires": [0, 0]})
    for candidates in ([(mild, scale), (event, scale)], [(event, scale), (mild, scale)]):
        again = judge(replace(found, candidates=candidates), None, bundle, evaluation(bundle, RATE))
        assert again.event == event


def test_a_resolved_alert_names_the_firing_one(bundle: Bundle, story: Path, alerts: list[Alert]) -> None:
    resolved = tell.by_replay(bundle, [str(story)])[-1]
    with pytest.raises(ExplainError, match=f"began with: {alerts[0].id}"):
        explained(bundle, story, Wanted(resolved.id, resolved))


def test_another_bundle_is_named(story: Path, alerts: list[Alert], bundle: Bundle) -> None:
    with pytest.raises(ExplainError, match=bundle.digest[:16]):
        explained(Bundle.default(), story, Wanted(alerts[0].id, alerts[0]))


def test_what_is_not_found_says_what_was_read(bundle: Bundle, story: Path, alerts: list[Alert]) -> None:
    unknown = alerts[0].model_copy(update={"id": "0" * 32})
    for wanted, says in (
        (Wanted(unknown.id), "84 records were read, and 83 log events .* another bundle"),
        (Wanted(unknown.id, unknown), "offset 58.* was read and gives none"),
        (Wanted(unknown.id, unknown.model_copy(update={"offset": 84})), "end before its record .*offset 84"),
        (Wanted(unknown.id, unknown.model_copy(update={"partition": 1})), "partition 1.* do not have"),
        (Wanted(unknown.id, unknown.model_copy(update={"topic": "logs"})), "topic logs.* do not have"),
    ):
        with pytest.raises(NotFoundError, match=says):
            explained(bundle, story, wanted)


def test_alerts_of_a_simulated_stream(tmp_path: Path) -> None:
    """By the default bundle, whose INT8 layers and calibration are real."""
    logs, bundle, alerts = tmp_path / "logs.jsonl", Bundle.default(), list[Alert]()
    write_file(str(logs), simulate(3, 400.0, 20.0, DEMO_START, demo_incidents(400.0)))
    options = EvaluateOptions(false_alarms="0.02/unit")
    replay = Replay(bundle, ReadOptions(), None, options)
    replay.grouping.on_suspicious = lambda alert, incident: alerts.append(alert)
    replay.run(Inputs([str(logs)], load_settings()), lambda _: None, lambda _: None)
    assert len(alerts) > 20
    lines = [json.loads(line) for line in logs.read_bytes().splitlines()]
    for alert in alerts[::5]:
        found, again = explained(bundle, logs, Wanted(alert.id), "0.02/unit")
        assert of_event(again.alert) == of_event(alert)
        field, name = ("trace_id", alert.entity) if alert.entity else ("service", alert.source)
        before = [i for i, line in enumerate(lines[: alert.offset]) if line.get(field) == name]
        assert [line.offset for line in found.before] == before[-5:]
        assert found.line is not None
        assert found.line.offset == alert.offset
