from __future__ import annotations

from rich.console import Console

from agents.incident_lines import incident_lines, span
from schemas.alert import Alert, Scores
from schemas.salient import Reason

TIME = 1_767_225_600.0  # 2026-01-01


def alert(**more: object) -> Alert:
    fields = {
        "id": "ab" * 16, "incident": "ab" * 16, "fingerprint": "cd" * 8, "status": "firing",
        "time": TIME + 300.0, "first_seen": TIME, "last_seen": TIME + 300.0, "count": 1204, "units": 310,
        "sources": ["pay", "shop"], "source_count": 12, "source": "shop", "entity": "req-1",
        "severity": "ERROR", "kind": "new pattern", "template": "refused <*>",
        "example": "refused [bold]7[/bold] " + "x" * 80, "p_value": 0.0002, "urgency": "critical",
        "evidence": [Reason(kind="new", template="refused <*>", nats=3.0, share=0.01, age=2.0)],
        "scores": Scores(prefilter=0.1, twin=0.1, hybrid=0.1), "bundle": "ef" * 16, "topic": "logs",
        "partition": 0, "offset": 7,
    }  # fmt: skip
    return Alert(**(fields | more))  # type: ignore[arg-type]  # the fields of an alert


def shown(alert: Alert) -> list[str]:
    """In a terminal of 60 columns."""
    console = Console(width=60, force_terminal=False, highlight=False)
    with console.capture() as capture:
        for line in incident_lines(alert):
            console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
    return capture.get().splitlines()


def test_an_incident_that_grows_says_where_how_bad_how_often_and_why() -> None:
    assert shown(alert(update="grown")) == [
        "00:05:00 GROWN    pay and 11 more ☎",
        "    critical: new pattern, ERROR, p 0.0002",
        "    1,204 times in 310 units in 5 min, since 00:00:00",
        "    req-1",
        "    refused [bold]7[/bold] xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…",
        "    it shows “refused <*>”, which 1.0% of such entities do,…",
    ]


def test_one_that_goes_on_or_is_over_takes_two_lines() -> None:
    assert shown(alert(update="continues", page=False)) == [
        "00:05:00 goes on  pay and 11 more",
        "    1,204 times in 310 units in 5 min, since 00:00:00",
    ]
    over = alert(update="resolved", status="resolved", page=False, source_count=1, count=1, units=1)
    assert shown(over) == ["00:05:00 RESOLVED pay", "    once in 5 min, since 00:00:00"]


def test_times_are_told_in_the_unit_that_fits() -> None:
    assert [span(s) for s in (0.0, 119.0, 120.0, 7200.0, 172_800.0)] == [
        "0 s",
        "119 s",
        "2 min",
        "2 h",
        "2 d",
    ]
