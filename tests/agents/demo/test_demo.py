import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import orjson
import pytest
from rich.console import Console

from agents.demo.scoring import GRACE_SECONDS, DemoResult, score
from agents.demo.simulation import DEMO_START, IncidentKind, Truth
from agents.demo.view import result_json, tables
from agents.demo.worker_process import Metrics, WorkerError, WorkerProcess
from schemas.alert import Alert, Driver, Kind, Scores, fingerprint

START = DEMO_START + 600


def alert(
    time: float, source: str, kind: Kind, entity: str = "", status: str = "firing", incident: str = ""
) -> Alert:
    return Alert(
        id=f"{int(time * 1000):032x}",
        incident=incident or f"{int(time * 1000):032x}",
        fingerprint=fingerprint(source, kind, "0" * 16),
        status=status,  # type: ignore[arg-type]
        time=time,
        first_seen=time,
        last_seen=time,
        count=1,
        source=source,
        entity=entity,
        severity="ERROR",
        kind=kind,
        template="it broke",
        example="it broke [bold]badly[/bold]",
        p_value=0.0001,
        features=[Driver(name="template novelty", value=9.0, expected=1.0)],
        scores=Scores(prefilter=0.01, twin=0.01, hybrid=0.0001),
        bundle="ab" * 32,
        topic="logs",
        partition=0,
        offset=7,
    )


def truth(kind: IncidentKind = "error_burst", service: str = "payment", *entities: str) -> Truth:
    return Truth(kind, service, START, START + 100, set(entities))


def result(processed: int, *alerts: Alert) -> DemoResult:
    return DemoResult(1000, processed, 0, 20, {"compiled": 20}, 50.0, score(alerts, [truth()]), list(alerts))


def test_alert_of_the_service_in_time_finds_the_incident_with_its_delay() -> None:
    outcome = score([alert(START + 12, "payment", "frequency")], [truth()])
    assert outcome.found == 1
    assert outcome.findings[0].delay == 12
    assert outcome.false_alarms == ()


@pytest.mark.parametrize(
    "wrong",
    [
        alert(START - 1, "payment", "frequency"),
        alert(START + 101 + GRACE_SECONDS, "payment", "frequency"),
        alert(START + 12, "cart", "frequency"),
        alert(START + 12, "payment", "silence"),
    ],
)
def test_too_early_too_late_elsewhere_or_of_another_kind_is_a_false_alarm(wrong: Alert) -> None:
    outcome = score([wrong], [truth()])
    assert outcome.found == 0
    assert outcome.findings[0].delay is None
    assert outcome.false_alarms == (wrong,)


def test_another_service_counts_when_the_request_was_touched() -> None:
    assert score(
        [alert(START + 5, "gateway", "level", "req-1")], [truth("error_burst", "payment", "req-1")]
    ).found


def test_pages_count_and_what_is_told_without_one_or_resolved_never() -> None:
    pages = [alert(START + t, "payment", "frequency") for t in (9, 5)]
    told = alert(START + 3, "payment", "frequency").model_copy(update={"page": False})
    stray = [alert(START + t, "cart", "frequency") for t in (1, 2)]
    over = alert(START, "payment", "level", status="resolved")
    outcome = score([*pages, told, *stray, over], [truth()])
    assert [a.time - START for a in outcome.findings[0].alerts] == [5, 9]
    assert [each.time for each in outcome.false_alarms] == [START + 1, START + 2]


def test_a_page_elsewhere_is_none_false_when_its_trouble_is_found_to_be_the_incident() -> None:
    page = alert(START + 2, "gateway", "frequency", incident="ab" * 16)
    later = alert(START + 9, "payment", "frequency", incident="ab" * 16).model_copy(update={"page": False})
    outcome = score([page, later], [truth()])
    assert outcome.false_alarms == ()
    assert not outcome.found  # nobody was called for it
    named = page.model_copy(update={"sources": ["gateway", "payment"]})
    assert score([named], [truth()]).found


def test_every_incident_kind_can_be_found_by_some_alert_kind() -> None:
    for incident in get_args(IncidentKind):
        alerts = [alert(START + 1, "payment", kind, "req-1") for kind in get_args(Kind)]
        assert score(alerts, [truth(incident, "payment", "req-1")]).found


def test_success_needs_every_event_and_every_incident() -> None:
    found = alert(START + 1, "payment", "frequency")
    assert result(1000, found).ok
    assert not result(999, found).ok
    assert not result(1000).ok


def test_tables_tell_missed_incidents_and_lost_events() -> None:
    console = Console(record=True, width=100, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    tables(console, result(1000))
    tables(console, result(990))
    text = console.export_text()
    assert "missed" in text
    assert "Not every incident was found." in text
    assert "10 events are not accounted for." in text


def test_json_result_is_json_and_complete() -> None:
    data = orjson.loads(orjson.dumps(result_json(result(1000, alert(START + 3, "payment", "level")))))
    assert data["ok"] is True
    assert data["incidents"][0]["delay_seconds"] == 3
    assert data["circuits"] == {"compiled": 20}
    assert data["salient_rate"] == 0.02


def test_metrics_are_summed_and_split_by_label() -> None:
    metrics = Metrics(
        '# TYPE a counter\na_total{x="1",y="p"} 2\na_total{x="1",y="q"} 3\na_total{x="2",y="p"} 4\n'
    )
    assert metrics.total("a_total") == 9
    assert metrics.by_label("a_total", "x") == {"1": 5, "2": 4}
    assert metrics.total("b_total") == 0


def test_worker_that_ends_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with (
        WorkerProcess(
            tmp_path, {"QUALM_BROKER": "127.0.0.1:1", "QUALM_BUNDLE": str(tmp_path / "none")}
        ) as worker,
        pytest.raises(WorkerError, match=r"exit code [1-9](.|\n)*none"),
    ):
        worker.wait_ready(60)


@pytest.fixture
def web_server() -> Iterator[int]:
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_something_else_on_the_metrics_port_is_not_a_worker(tmp_path: Path, web_server: int) -> None:
    worker = WorkerProcess(tmp_path, {})
    worker._port = web_server
    assert worker.metrics() is None
