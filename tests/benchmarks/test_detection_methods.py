"""Baselines of `python -m benchmarks.detection` on four to six entities, against values from hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.detection_counts import (
    Counts,
    Forest,
    HalfSpaceTrees,
    Nearest,
    Tree,
    UnseenCounts,
    has_river,
)
from benchmarks.detection_data import Unit
from benchmarks.detection_evidence import Evidence, tail_of
from benchmarks.detection_methods import (
    IDLE,
    ErrorLines,
    Method,
    NewPairs,
    NewTemplates,
    Verdict,
    limit_of,
    normal,
)

KNOWN = np.array([False, False, True, True])


def unit(texts: str, times: Sequence[float] = (), errors: Sequence[int] = (), name: str = "u") -> Unit:
    """An entity with one template per letter, a second apart where no times are given."""
    events = tuple(("s", text) for text in texts)
    at = np.array(times or range(len(texts)), float)
    return Unit(name, at, events, events, np.isin(np.arange(len(texts)), errors))


def judged(method: Method, train: Sequence[str], *tests: str, truth: object = None) -> list[Verdict]:
    known = None if truth is None else np.array(truth, bool)
    method.fit([unit(text) for text in train], known)
    return method.judge([unit(text) for text in tests])


def test_limit_is_the_top_half_percent_of_training_scores() -> None:
    assert limit_of([float(value) for value in range(201)]) == 199.0
    assert limit_of([0.0, 1.0]) == pytest.approx(0.995)  # between two: by straight line


def test_normal_is_all_units_unless_labels_say_otherwise() -> None:
    units = [unit("a"), unit("b"), unit("c"), unit("d")]
    assert normal(units, None) == units
    assert normal(units, KNOWN) == units[:2]


def test_error_lines_are_counted_and_each_is_an_alarm() -> None:
    method = ErrorLines()
    method.fit([unit("a")], None)
    assert method.judge([unit("aba", errors=(1, 2)), unit("ab")]) == [Verdict(2.0, (1.0, 2.0)), Verdict(0.0)]


def test_new_templates() -> None:
    method = NewTemplates()
    # left out one by one, the four have 0, 0, 0 and 1 (z) templates that no other has
    found = judged(method, ["ab", "ab", "ba", "abz"], "abz", "aqaq", "aqrq")
    assert method.limit == pytest.approx(0.985)  # 99.5% of (0, 0, 0, 1): 0 + 0.985 * 1
    assert found == [Verdict(0.0), Verdict(1.0, (1.0,)), Verdict(2.0, (1.0, 2.0))]


def test_new_templates_alarm_only_past_the_limit() -> None:
    method = NewTemplates()
    found = judged(method, ["abxy", "abuv", "abwz", "abcd"], "aqr", "aqrqt")
    assert method.limit == 2.0
    assert found == [Verdict(2.0), Verdict(3.0, (4.0,))]


def test_new_pairs() -> None:
    method = NewPairs()
    # left out, shares of new pairs: 0, 0, 0 and 1/2 (bc is in "abc" alone, ab in all)
    found = judged(method, ["ab", "ab", "aba", "abc"], "abc", "acab", "a")
    # of "aba", ba is its own as well: (0, 0, 1/2, 1/2)
    assert method.limit == 0.5
    assert [each.score for each in found] == pytest.approx([0.0, 2 / 3, 0.0])
    assert [each.alarms for each in found] == [(), (3.0 + IDLE,), ()]


def test_counts_unseen_whatever_the_order() -> None:
    found = judged(UnseenCounts(), ["aab", "ab", "b", "c"], "aba", "abb", "c", "z")
    assert found == [Verdict(0.0), Verdict(1.0, (2.0 + IDLE,)), Verdict(0.0), Verdict(1.0, (IDLE,))]


def test_counts_know_labels_or_not() -> None:
    (found,) = judged(UnseenCounts(), ["ab", "b", "cc", "c"], "cc", truth=KNOWN)
    assert found.score == 1.0  # what is labelled an anomaly is not among the usual
    (found,) = judged(UnseenCounts(), ["ab", "b", "cc", "c"], "cc")
    assert found.score == 0.0


def test_counts_have_a_column_for_all_other_templates() -> None:
    train = [unit("aab"), unit("bz"), unit("ab")]
    assert Counts(train, least=1)([unit("zzaq")]).tolist() == [[1.0, 0.0, 2.0, 1.0]]  # a, b, z, others
    assert Counts(train, least=2)([unit("zzaq")]).tolist() == [[1.0, 0.0, 3.0]]  # a, b, others


def test_what_one_training_entity_has_alone_is_an_unseen_template_to_a_forest() -> None:
    """Otherwise no tree can split the column of the unseen, and no new template is ever suspect."""
    train = ["aaab", "aab", "abz", "ab", "abb", "abbb"]
    method = Forest()
    usual, new = judged(method, train, "aab", "aabqrst")
    assert new.score > usual.score
    assert new.alarms == (6.0 + IDLE,)
    assert usual.alarms == ()
    assert new.score > method.limit


def test_the_two_forests_differ_in_the_threshold_alone() -> None:
    train = ["aaab", "aab", "abz", "ab", "abb", "abbb"]
    by_quantile, auto = Forest(), Forest(auto=True)
    tests = ("aab", "aabqrst")
    first, second = judged(by_quantile, train, *tests), judged(auto, train, *tests)
    assert [each.score for each in first] == [each.score for each in second]
    own = [each.score for each in by_quantile.judge([unit(text) for text in train])]
    assert by_quantile.limit == pytest.approx(np.quantile(own, 0.995))
    assert auto.limit == 0.5


def test_tree_splits_where_the_labels_do() -> None:
    found = judged(Tree(), ["ab", "abb", "az", "azz"], "ab", "azzz", truth=KNOWN)  # b or z, each tells
    assert [(each.score, bool(each.alarms)) for each in found] == [(0.0, False), (1.0, True)]


def test_nearest_neighbour() -> None:
    found = judged(Nearest(), ["a", "aa", "aaaaa", "aaaaaa"], "aaa", "aaaa", "aaaaa", truth=KNOWN)
    # distances to the nearest normal and the nearest anomaly: (1, 2), (2, 1), (3, 0)
    assert [each.score for each in found] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert [bool(each.alarms) for each in found] == [False, True, True]


def test_nearest_neighbour_as_near_to_both_is_no_alarm() -> None:
    found = judged(Nearest(), ["a", "aa", "aa", "aaaa"], "aa", "aaa", truth=KNOWN)
    assert [each.score for each in found] == [0.5, 0.5]
    assert not any(each.alarms for each in found)


@pytest.mark.parametrize("method", [Tree(), Nearest()])
@pytest.mark.parametrize("truth", [None, [False] * 4, [True] * 4])
def test_labelled_methods_need_both_kinds(method: Method, truth: object) -> None:
    with pytest.raises(ValueError, match="labels of normal and of anomalous"):
        judged(method, ["a", "b", "c", "d"], "a", truth=truth)


@pytest.mark.skipif(not has_river(), reason="pip install 'qualm[bench]'")
def test_half_space_trees_find_the_odd_one_and_learn_on() -> None:
    train = ["ab", "abb", "aab", "ab", "abb", "aab"] * 4
    method = HalfSpaceTrees()
    usual, odd = judged(method, train, "ab", "a" * 9 + "q" * 9)
    assert odd.score > usual.score
    assert odd.score > method.limit
    assert odd.alarms == (17.0 + IDLE,)
    often = judged(HalfSpaceTrees(), train, *["q" * 9] * 60)
    assert often[-1].score < often[0].score


TRAIN = [unit("ab", (0.0, 10.0)), unit("ab", (0.0, 20.0)), unit("ab", (0.0, 30.0)), unit("az", (0.0, 5.0))]


def test_evidence_adds_up_what_is_new_and_what_is_overdue() -> None:
    method = Evidence()
    method.fit(TRAIN, None)
    # a is due by 5 s (all show it at 0 s); b by 1.05 * 29.8 + 5 = 36.29 s (99% of 10, 20, 30 s)
    late_a, late_b = -math.log(0.5 / 5), -math.log(1.5 / 5)
    new_q = -math.log(0.5 / 5)
    times, sums = method._course(unit("aqb", (100.0, 110.0, 140.0)))
    assert times.tolist() == [100.0, 110.0, 140.0, 200.0]
    new_a, new_b = -math.log(4.5 / 5), -math.log(3.5 / 5)
    want = [(new_a, 0.0), (new_a + new_q, 0.0), (new_a + new_q + new_b, late_b), (new_a + new_q + new_b, 0.0)]
    assert sums == pytest.approx(np.array(want))
    _, sums = method._course(unit("b", (0.0,)))
    assert sums[-1].tolist() == pytest.approx([new_b, late_a])  # over after a minute, and a never came


def test_evidence_of_a_training_entity_leaves_itself_out() -> None:
    method = Evidence()
    method.fit(TRAIN, None)
    _, sums = method._course(TRAIN[3], own=1)
    # a in 3 of 3 others, z in none; b, which 1 of 4 never shows, is missing at the end
    assert sums[1, 0] == pytest.approx(-math.log(3.5 / 4) - math.log(0.5 / 4))
    assert sums[-1, 1] == pytest.approx(-math.log(1.5 / 5))


def test_tail_goes_through_the_median_and_the_95th_percentile() -> None:
    tail = tail_of(np.arange(101.0))
    assert tail.high == pytest.approx(95.0)
    assert tail.scale == pytest.approx(45.0)
    assert tail.limit == pytest.approx(140.0)  # 5% to 0.5% is as far as 50% to 5%


def test_evidence_score_and_alarms_go_by_the_tails() -> None:
    method = Evidence()
    method.fit(TRAIN, None)
    new, overdue = method.tails
    found = method.judge([unit("ab", (0.0, 10.0)), unit("aqrst", (0.0, 1.0, 2.0, 3.0, 4.0))])
    _, sums = method._course(unit("aqrst", (0.0, 1.0, 2.0, 3.0, 4.0)))
    assert found[0].alarms == ()
    best = max((sums[:, 0].max() - new.high) / new.scale, (sums[:, 1].max() - overdue.high) / overdue.scale)
    assert found[1].score == pytest.approx(best)
    first = next(row for row in range(6) if sums[row, 0] > new.limit or sums[row, 1] > overdue.limit)
    assert found[1].alarms[0] == [0.0, 1.0, 2.0, 3.0, 4.0, 4.0 + IDLE][first]
    assert 0 < first < 5
