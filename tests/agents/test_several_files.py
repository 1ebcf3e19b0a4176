"""One file, and the same lines in a file for each service: replay and training see the same stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.demo.simulation import DEMO_START, demo_incidents, simulate
from agents.evaluate import SalientEvaluation
from agents.explain import NotFoundError, Wanted, find, judge
from agents.inputs.inputs import Inputs
from agents.inputs.tally import Tallies
from agents.replay import Replay
from agents.settings import load_settings
from agents.train import choose_entity, read_events, run_training
from models.bundle import Bundle
from models.options import EvaluateOptions, TrainingOptions
from schemas.alert import Alert
from schemas.events import EventBatch
from schemas.formats.options import ReadOptions

DURATION = 300.0
MANY_ALERTS = EvaluateOptions(false_alarms="0.02/unit")


def lines() -> Iterator[tuple[str, bytes]]:
    """Source and record of every event, no two at one time."""
    times: set[float] = set()
    for event in simulate(3, DURATION, 20.0, DEMO_START, demo_incidents(DURATION)):
        if event.time not in times:
            times.add(event.time)
            yield event.service, event.encode()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """The name of the one file, and those of the parts."""
    folder = tmp_path_factory.mktemp("several")
    parts: dict[str, list[bytes]] = {}
    whole: list[bytes] = []
    for source, record in lines():
        whole.append(record)
        parts.setdefault(source, []).append(record)
    assert len(parts) > 3
    (folder / "whole.jsonl").write_bytes(b"\n".join(whole))
    for source, records in parts.items():
        (folder / f"{source}.part").write_bytes(b"\n".join(records))
    return [str(folder / "whole.jsonl")], [f"{folder}/*.part"]


def replayed(names: list[str]) -> tuple[list[Alert], dict[str, Any], list[str]]:
    alerts: list[Alert] = []
    said: list[str] = []
    replay = Replay(Bundle.default(), ReadOptions(), evaluate=MANY_ALERTS)
    inputs = Inputs(names, load_settings())
    replay.run(inputs, alerts.append, lambda _: None, said.append)
    assert inputs.done == inputs.total
    return alerts, replay.metrics(), said


def told(alert: Alert) -> dict[str, Any]:
    """All that an alert says but for where its record is."""
    what = alert.model_dump(exclude={"id", "incident", "partition", "offset"})
    what["annotations"] = {name: text for name, text in what["annotations"].items() if name != "record"}
    return what


def test_a_replay_of_a_file_for_each_service_gives_the_alerts_of_the_one(
    files: tuple[list[str], list[str]],
) -> None:
    whole, parts = files
    one, one_metrics, _ = replayed(whole)
    several, metrics, said = replayed(parts)
    assert len(one) > 3
    assert [told(alert) for alert in several] == [told(alert) for alert in one]
    for gate in (metrics["gate"], one_metrics["gate"]):  # what is audited goes by where records are
        assert gate.pop("audited") > 0
    for same in ("events", "entities", "gate", "alerts", "incidents", "dead_letters"):
        assert metrics[same] == one_metrics[same], same
    assert said == []
    again, _, _ = replayed(parts)
    assert [alert.encode() for alert in again] == [alert.encode() for alert in several]
    assert len({alert.id for alert in several}) == len(several)


def test_an_alert_names_the_file_and_the_line_of_its_record(files: tuple[list[str], list[str]]) -> None:
    _, parts = files
    names = Inputs(parts, load_settings()).files
    alerts, _, _ = replayed(parts)
    assert len(alerts) > 3
    for alert in alerts:
        name, _, line = alert.annotations["record"].partition(", line ")
        assert names[alert.partition] == name
        assert alert.offset == int(line.replace(",", "")) - 1
    own = [alert for alert in alerts if alert.example == message(names[alert.partition], alert.offset)]
    assert own  # the others are about what is overdue, silent or a whole minute
    assert {alert.source for alert in own} == {Path(names[alert.partition]).stem for alert in own}


def message(name: str, line: int) -> str:
    return str(json.loads(Path(name).read_bytes().splitlines()[line])["message"])


def test_an_alert_of_several_files_is_explained(files: tuple[list[str], list[str]]) -> None:
    _, parts = files
    alerts, _, _ = replayed(parts)
    firing = [alert for alert in alerts if alert.update in ("opened", "grown", "reopened")]
    for alert in (firing[0], firing[-1]):
        for whole in (alert, None):
            inputs = Inputs(parts, load_settings())
            found = find(Wanted(alert.id, whole), inputs, Bundle.default(), ReadOptions())
            again = judge(found, whole, Bundle.default(), SalientEvaluation(Bundle.default(), MANY_ALERTS))
            assert again.reproduced
            assert again.attribution.p_value == alert.p_value
            made = inputs.located(again.alert)
            assert (made.id, made.partition, made.offset) == (alert.id, alert.partition, alert.offset)
            assert made.annotations["record"] == alert.annotations["record"]
    moved = firing[0].model_copy(update={"id": "0" * 32})
    with pytest.raises(NotFoundError, match=r"Its record .* was read and gives none"):
        find(Wanted(moved.id, moved), Inputs(parts, load_settings()), Bundle.default(), ReadOptions())


def test_training_reads_the_same_events_in_the_same_order(files: tuple[list[str], list[str]]) -> None:
    found: list[tuple[EventBatch, ReadOptions, str]] = []
    for names in files:
        inputs = Inputs(names, load_settings())
        streams, reading, why = choose_entity(inputs.streams(), ReadOptions(format="json"))
        found.append((read_events(streams, inputs, Tallies(inputs, reading), lambda *_: None), reading, why))
    (one, one_reading, one_why), (several, reading, why) = found
    assert (reading, why) == (one_reading, one_why)
    for column in EventBatch.__slots__:
        if column != "offset":
            assert getattr(several, column) == getattr(one, column), column


def test_training_makes_the_same_bundle(files: tuple[list[str], list[str]], tmp_path: Path) -> None:
    digests = set()
    for number, names in enumerate(files):
        inputs = Inputs(names, load_settings())
        options = TrainingOptions(steps=3, wires=2)
        out = tmp_path / str(number)
        digests.add(run_training(inputs, ReadOptions(), None, options, out, lambda *_: None).digest)
    assert len(digests) == 1
