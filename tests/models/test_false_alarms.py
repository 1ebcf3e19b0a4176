import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.false_alarms import FalseAlarms


def share(text: str, a_second: float, an_event: float) -> float:
    return float(FalseAlarms.parse(text).shares(np.array([[a_second, an_event]]))[0])


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("1/hour", 1 / (3600 * 2)),
        ("1/day", 1 / (86_400 * 2)),
        ("0.5/week", 0.5 / (604_800 * 2)),
        ("20/million", 20 / 250_000),  # a million events begin a quarter of a million units
        ("0.3/unit", 0.3),
    ],
)
def test_of_two_units_a_second_and_one_in_four_events_this_share_may_alert(text: str, want: float) -> None:
    assert share(text, 2.0, 0.25) == pytest.approx(want)


def test_where_units_are_few_one_in_fifty_is_the_most_but_a_share_of_units_is_taken_at_its_word() -> None:
    assert share("1/hour", 1e-6, 0.25) == 0.02
    assert share("1/million", 2.0, 1e-9) == 0.02
    assert share("0.5/unit", 1e-6, 1e-9) == 0.5


def test_units_that_cannot_be_judged_yet_are_quiet_but_for_errors() -> None:
    pace = np.full((4, 2), 2.0)
    learning, severity = np.array([True, True, False, True]), np.array([9, 17, 9, 16])
    limits = FalseAlarms.parse("1/day").limits(pace, learning, severity)
    assert (limits > 0.0).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    "text",
    ["", "1", "1/fortnight", "-1/day", "0/day", "1/unit", "1e3/day", "1/day/day", "1" * 20 + "/day", "/day"],
)
def test_what_is_no_rate_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"day|unit"):
        FalseAlarms.parse(text)


@given(
    st.integers(1, 10**9 - 1),
    st.sampled_from([1, 10**3, 10**9]),
    st.sampled_from(["hour", "week", "million"]),
)
def test_its_text_is_read_as_the_same_rate(count: int, parts: int, per: str) -> None:
    rate = FalseAlarms(count / parts, per)
    assert FalseAlarms.parse(str(rate)) == FalseAlarms(float(f"{count / parts:.9f}"), per)
