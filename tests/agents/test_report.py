"""The HTML report: whatever is in a log, the page stays one page."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from agents.report import ALERTS, render
from schemas.alert import Alert, Driver, Scores

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>&amp;\x00\x1b[31m\u202e"
PAGE = {"html", "meta", "title", "style", "h1", "h2", "div", "small", "b", "br", "code", "p"}
ALLOWED = PAGE | {"table", "tr", "th", "td", "svg", "rect", "line"}


class Tags(HTMLParser):
    """Every tag and attribute of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def an_alert(text: str) -> Alert:
    return Alert(
        id="0" * 32,
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
        "incidents": incidents,
        "alerts": incidents,
        "dead_letters": {"empty": 3},
        "device": HOSTILE,
        "entity": figures(labelled),
        "false_alarms_per_10k_events": 1.5 if labelled else None,
        "ablation": {name: figures(labelled) for name in ("prefilter", "twin", "hybrid", "hybrid_int8")},
        "bundle": "3" * 64,
        "qualm": "0.1",
    }


def test_hostile_text_stays_text() -> None:
    page = Tags(render(metrics(), [an_alert(HOSTILE)], HOSTILE))
    assert page.tags <= ALLOWED
    assert not {name for name in page.attributes if name.startswith(("on", "src", "href"))}
    assert page.text.count("<script>alert(1)</script>") == 6  # both titles, source, entity, example, device
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


def test_only_the_first_alerts_are_shown_and_the_page_says_of_how_many() -> None:
    page = render(metrics(incidents=999), [an_alert("x")] * (ALERTS + 10), "t")
    assert page.count("<code>") == ALERTS
    assert f"The first {ALERTS} of 999" in page
