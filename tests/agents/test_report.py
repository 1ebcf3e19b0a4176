"""The HTML report: whatever is in a log, the page stays one page."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from agents.report import ALERTS
from agents.report import render as render_all
from models.evidence_history import Point, UnitHistory, WorstUnits
from schemas.alert import Alert, Driver, Scores
from schemas.salient import Reason, Trigger

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>&amp;\x00\x1b[31m\u202e"
PAGE = {"html", "meta", "title", "style", "h1", "h2", "div", "small", "b", "br", "code", "p"}
ALLOWED = PAGE | {"table", "tr", "th", "td", "svg", "rect", "line", "polygon", "polyline", "circle", "text"}
NONE = WorstUnits([], [], 0, 0)


class Tags(HTMLParser):
    """Every tag and attribute of a page, and its text; by tag, what its elements have for attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.elements: dict[str, list[dict[str, str | None]]] = {}
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.elements.setdefault(tag, []).append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


def an_alert(text: str) -> Alert:
    return Alert(
        id="0" * 32,
        incident="0" * 32,
        fingerprint="1" * 16,
        status="firing",
        time=1.75e9,
        first_seen=1.75e9,
        last_seen=1.75e9,
        count=1,
        source=text,
        entity=text,
        severity="ERROR",
        kind="level",
        template=text,
        template_id="2" * 16,
        example=text,
        p_value=1e-5,
        features=[Driver(name="severity_rank", value=6.0, expected=0.0)],
        open_wires=[1, 0],
        scores=Scores(prefilter=0.1, twin=0.1, hybrid=0.1),
        bundle="3" * 64,
        topic="logs",
        partition=0,
        offset=5,
        labels={},
        annotations={},
    )


def figures(labelled: bool) -> dict[str, Any]:
    return {
        "precision": 0.5 if labelled else None,
        "recall": 1.0 if labelled else None,
        "f1": 0.667 if labelled else None,
        "average_precision": 0.7 if labelled else None,
        "roc_auc": None,
        "n_positive": 1 if labelled else 0,
        "n": 2 if labelled else 0,
        "interval95": {"f1": [0.25, 0.75], "average_precision": [0.1, 0.9]} if labelled else {},
    }


def metrics(labelled: bool = True, incidents: int = 1) -> dict[str, Any]:
    return {
        "events": 12345,
        "entities": 10,
        "entities_exact": True,
        "seconds": 1.0,
        "events_per_second": 12345.0,
        "gate": {"prefilter_rate": 0.02, "salient_rate": 0.02, "mean_open_wires": 3.0, "circuits": 246},
        "incidents": {"n": incidents},
        "pages": incidents,
        "alerts": incidents,
        "dead_letters": {"empty": 3},
        "device": HOSTILE,
        "entity": figures(labelled),
        "false_alarms_per_10k_events": 1.5 if labelled else None,
        "ablation": {name: figures(labelled) for name in ("prefilter", "twin", "hybrid", "hybrid_int8")},
        "bundle": "3" * 64,
        "qualm": "0.1",
    }


def render(
    figures: dict[str, Any], alerts: list[Alert], title: str = "qualm replay", worst: WorstUnits = NONE
) -> str:
    return render_all(figures, alerts, worst, 2.0, title)


def a_unit(text: str = "disk", faulty: bool = True, **other: Any) -> UnitHistory:
    """Over 100 s; at most 10 nats, so the axis reaches 11."""
    lacks = Reason(kind="overdue", template=text, nats=4.0, share=0.9, age=20.0)
    overdue = Point(1020.0, 5.0, Trigger.OVERDUE, text, [lacks])
    event = Point(1060.0, 10.0, Trigger.EVENT, text, [])
    return replace(UnitHistory(text, faulty, 1000.0, 1100.0, None, None, 10.0, [overdue, event]), **other)


def test_hostile_text_stays_text() -> None:
    worst = WorstUnits([a_unit(HOSTILE)], [a_unit(HOSTILE, False)], 1, 1)
    page = Tags(render(metrics(), [an_alert(HOSTILE)], HOSTILE, worst))
    assert page.tags <= ALLOWED
    assert not {name for name in page.attributes if name.startswith(("on", "src", "href"))}
    # Both titles, source, entity, example, device; of each unit its name and what two rows told.
    assert page.text.count("<script>alert(1)</script>") == 6 + 2 * 3
    assert not {"\x00", "\x1b", "\u202e"} & set(page.text)


def test_figures_and_alerts_are_on_the_page() -> None:
    page = Tags(render(metrics(), [an_alert("disk full")], "qualm replay")).text
    for expected in (
        "12,345",
        "0.667",
        "hybrid_int8",
        "disk full",
        "severity_rank 6.0",
        "2025-06-15",
        "All 1",
    ):
        assert expected in page


def test_without_labels_or_alerts_the_page_says_so() -> None:
    page = Tags(render(metrics(labelled=False, incidents=0), [], "qualm replay")).text
    assert "No labels were given" in page
    assert "None." in page
    assert "entity F1" not in page
    assert "misses" not in page


def test_only_the_first_alerts_are_shown_and_the_page_says_of_how_many() -> None:
    page = render(metrics(incidents=999), [an_alert("x")] * (ALERTS + 10), "t")
    assert page.count("<code>") == ALERTS
    assert f"The first {ALERTS} of 999" in page


def test_misses_and_false_alarms_say_what_they_showed_and_when() -> None:
    miss = a_unit("blk_1", fault=1030.0)
    alarm = a_unit("blk_2", faulty=False, fault=990.0, alert=1060.5)
    page = Tags(render(metrics(), [], worst=WorstUnits([miss], [alarm], 7, 1))).text
    misses, alarms = page.split("Worst misses")[1].split("Worst false alarms")
    for expected in (
        "1 of the 7",
        "2.0 nats",
        "blk_1 faulty, missed",
        "first row 1970-01-01 00:16:40 UTC, last after 100 s, at most 10.0 nats, ",
        "fault 30 s after the first row",
        "20 s5.0lacks “blk_1”, which 90.0% of such entities show within 20 s",
        "60 s10.0logs “blk_1”",
    ):
        assert expected in misses
    assert "alert" not in misses.split("faulty, missed")[1]
    for expected in ("All 1", "blk_2 normal, false alarm", "fault 10 s before", "first alert after 60.5 s"):
        assert expected in alarms


def test_evidence_is_drawn_as_a_line_that_rises_where_rows_raised_it() -> None:
    """Time goes from 36 to 408 and evidence, here up to 11 nats, from 138 up to 30."""
    unit = a_unit(faulty=False, fault=1010.0, alert=1060.0)
    drawn = Tags(render(metrics(), [], worst=WorstUnits([], [unit], 0, 1))).elements
    (line,) = drawn["polyline"]
    assert line["points"] == "36.0,138 110.4,138.0 110.4,88.9 259.2,88.9 259.2,39.8 408,39.8"
    assert [(dot["cx"], dot["cy"]) for dot in drawn["circle"]] == [("110.4", "88.9"), ("259.2", "39.8")]
    (threshold,) = (each for each in drawn["line"] if "stroke-dasharray" in each)
    assert threshold["y1"] == threshold["y2"] == "118.4"
    marks = [each["x1"] for each in drawn["line"] if each["x1"] == each["x2"]]
    assert marks == ["73.2", "259.2"]  # fault, alert


@pytest.mark.parametrize(("fault", "at"), [(950.0, "36.0"), (949.0, None), (1101.0, None), (1100.0, "408.0")])
def test_a_fault_far_from_the_rows_is_told_and_not_drawn(fault: float, at: str | None) -> None:
    drawn = Tags(render(metrics(), [], worst=WorstUnits([a_unit(fault=fault)], [], 1, 0)))
    marks = [each["x1"] for each in drawn.elements["line"] if each["x1"] == each["x2"]]
    assert marks == ([at] if at else [])
    assert "the first row" in drawn.text


def test_a_unit_of_one_row_that_showed_nothing_is_a_flat_line() -> None:
    unit = a_unit(last=1000.0, nats=0.0, points=[])
    drawn = Tags(render(metrics(), [], worst=WorstUnits([unit], [], 1, 0)))
    assert drawn.elements["polyline"][0]["points"] == "36.0,138 408,138.0"
    assert "None of its rows showed anything unusual" in drawn.text
    assert "No unit that is labelled normal was alerted on." in drawn.text


def test_long_texts_of_units_are_cut() -> None:
    page = render(metrics(), [], worst=WorstUnits([a_unit("x" * 300, name="n" * 5000)], [], 1, 0))
    assert "which 90.0% of such entities show within 20 s" in page  # a sentence is whole
    assert "n" * 200 not in page
