"""Pages of the simulated year are sorted out as its calendar says; alerts written by hand."""

import pytest

from benchmarks.year_calendar import DAY, HOUR, START, Calendar, Deployment, Fault, Run
from benchmarks.year_score import Score
from benchmarks.year_services import NIGHTLY, RARE, template_of
from schemas.alert import Alert, Kind, Scores, fingerprint

FAULT = START + 30 * DAY + 12 * HOUR  # a Wednesday
DEPLOYED = START + 33 * DAY + 12 * HOUR


def alert(
    time: float, source: str = "cart", *, entity: str = "", status: str = "firing", count: int = 1,
    template: str = "t", kind: Kind = "level", name: str = "a", page: bool | None = None,
) -> Alert:  # fmt: skip
    """A record of the incident of a name in a source; the first one is a page, where nothing else is said."""
    incident = fingerprint(source, kind, name) * 2
    return Alert(
        id="0" * 32, fingerprint=incident[:16], incident=incident,
        page=status == "firing" and count == 1 if page is None else page, status=status,  # type: ignore[arg-type]  # is one
        time=time, first_seen=time, last_seen=time, count=count, source=source, entity=entity, kind=kind,
        template=template, template_id="0" * 16, example="e", p_value=0.001, p_limit=0.001,
        scores=Scores(prefilter=0.1, twin=0.1, hybrid=0.001), bundle="ab", topic="year", partition=0,
        offset=0,
    )  # fmt: skip


@pytest.fixture
def score() -> Score:
    fault = Fault("new message", FAULT, FAULT + 600.0, frozenset({"cart"}), 0, {"r1"})
    week = Fault("week", FAULT + 10 * DAY, FAULT + 17 * DAY, frozenset({"search"}), 1)
    run = Run(NIGHTLY, START + 40 * DAY + 2 * HOUR)
    deployment = Deployment("mail", DEPLOYED, 1, False)
    calendar = Calendar(63, [run], [deployment], [fault, week])
    return Score(calendar, [(deployment, frozenset({"new text"}))], 30.0)


def test_a_page_is_true_where_time_and_service_or_entity_are_those_of_a_fault(score: Score) -> None:
    for true in (
        alert(FAULT + 90.0, entity="r1", source="shipping"),
        alert(FAULT + 100.0),
        alert(FAULT + 120.0, "gateway"),
        alert(FAULT + 600.0 + 149.0, name="late"),
    ):
        score.add(true)
    for false in (alert(FAULT - 1.0, name="b"), alert(FAULT + 751.0, name="c"), alert(FAULT + 100.0, "mail")):
        score.add(false)
    figures = score.figures()
    assert (figures["true_pages"], figures["found"], figures["faults"]) == (4, 1, 2)
    assert figures["by_kind"]["new message"] == {"n": 1, "found": 1}
    assert figures["by_kind"]["week"] == {"n": 1, "found": 0}
    assert figures["delay_p50"] == 90.0
    assert figures["false_pages_a_week"] == pytest.approx(3 / 7)  # nine weeks less two
    assert figures["pages_a_week"] == pytest.approx(7 / 9)


def test_records_that_ask_for_nobody_are_no_pages(score: Score) -> None:
    score.add(alert(FAULT + 10.0))
    score.add(alert(FAULT + 20.0, count=2, page=False))
    score.add(alert(FAULT + 700.0, status="resolved", count=2))
    figures = score.figures()
    assert (figures["records"], figures["true_pages"], figures["resolved_after_p50"]) == (3, 1, 100.0)


def test_a_fault_counts_as_firing_while_one_of_its_incidents_is_open(score: Score) -> None:
    start = FAULT + 10 * DAY
    score.add(alert(start + DAY, "search"))
    score.add(alert(start + 2 * DAY, "search", status="resolved"))
    score.add(alert(start + 4 * DAY, "search", name="b"))
    score.add(alert(start + 5 * DAY, "search", name="c"))  # beside the one before
    assert score.figures()["week_firing_share"] == pytest.approx((1 + 3) / 6)  # since its first page


def test_false_pages_are_put_down_to_what_was_going_on(score: Score) -> None:
    night = START + 40 * DAY + 2 * HOUR
    monday_morning = START + 42 * DAY + 7 * HOUR  # traffic doubles
    afternoon = START + 44 * DAY + 14 * HOUR
    for page in (
        alert(DEPLOYED + HOUR, "mail"),
        alert(DEPLOYED + 2 * HOUR, "gateway", template="new text"),
        alert(night + 60.0, "backup"),
        alert(night + 60.0, "auth"),
        alert(afternoon, "auth", template=template_of(RARE[0][0])),
        alert(FAULT + 1800.0, "cart"),
        alert(monday_morning, "auth", kind="frequency"),
        alert(afternoon, "auth", kind="frequency"),
    ):
        score.add(page)
    assert score.figures()["false_by_cause"] == {
        "deployment": 2, "job": 1, "one-off": 1, "aftermath": 1, "season": 1, "drift": 1, "other": 1,
    }  # fmt: skip


def test_false_pages_of_the_first_two_weeks_are_told_apart(score: Score) -> None:
    score.add(alert(START + 13 * DAY))
    figures = score.figures()
    assert (figures["false_pages_of_first_two_weeks"], figures["false_pages_a_week"]) == (1, 0.0)


def test_a_deployment_is_normal_after_the_last_alert_of_it(score: Score) -> None:
    score.add(alert(DEPLOYED + 60.0, "mail"))
    score.add(alert(DEPLOYED + 3 * HOUR, "mail", count=2))
    score.add(alert(DEPLOYED + 3 * DAY, "mail", name="b"))
    found = score.figures()["deployments"]
    assert found == {
        "n": 1, "at_most_one_page": 1, "pages_mean": 1.0,
        "normal_after_p50": 3 * HOUR, "normal_after_p90": 3 * HOUR,
    }  # fmt: skip
