import pytest

from models.evaluation_incidents import IncidentFigures
from models.labels import Labels

DAY = 86_400.0


def test_incidents_of_entities_by_hand() -> None:
    figures = IncidentFigures(Labels({"bad": True, "worse": True, "good": False}, {"bad": 100.0}))
    for source, entity, time in (
        ("a", "bad", 0.0),
        ("a", "bad", 130.0),
        ("b", "good", 130.0),
        ("c", "", 2 * DAY),
    ):
        figures.passed(source, entity, time)
    told = [
        ("one", "a", "bad", 130.0),
        ("one", "b", "good", 131.0),
        ("two", "a", "bad", 140.0),
        ("two", "a", "worse", 140.0),
        ("early", "a", "bad", 99.0),  # before its fault
        ("stray", "b", "good", 200.0),
        ("source", "a", "", 179.0),  # in this minute the faulty one has logged there
        ("elsewhere", "b", "", 130.0),
        ("later", "a", "", 180.0),
    ]
    for incident, source, entity, time in told:
        figures.suspicious(incident, source, entity, time)
    report = figures.report()
    assert (report["n"], report["true"]) == (7, 3)
    assert report["per_fault"] == (3 + 1) / 2  # bad in one, two and source, worse in two
    assert report["false_per_day"] == 4 / 2
    low, high = report["interval95"]["false_per_day"]
    assert (low, high) == (
        pytest.approx(1.0899 / 2, rel=1e-3),
        pytest.approx(10.2416 / 2, rel=1e-3),
    )  # Garwood
    low, high = report["interval95"]["per_fault"]
    assert 1.0 <= low <= 2.0 <= high <= 3.0


def test_incidents_of_intervals_by_hand() -> None:
    figures = IncidentFigures(Labels(intervals={"s": [(100.0, 200.0), (300.0, 400.0)]}))
    figures.passed("s", "", 0.0)
    figures.passed("s", "", DAY)
    for incident, source, time in (
        ("x", "s", 150.0),
        ("x", "s", 310.0),
        ("y", "s", 250.0),
        ("z", "t", 150.0),
    ):
        figures.suspicious(incident, source, "", time)
    report = figures.report()
    assert (report["n"], report["true"], report["per_fault"], report["false_per_day"]) == (3, 1, 1.0, 2.0)


def test_nothing_at_all() -> None:
    report = IncidentFigures(Labels()).report()
    assert report == {"n": 0, "true": 0, "per_fault": None, "false_per_day": None, "interval95": {}}
