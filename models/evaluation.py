"""Figures of merit of a replay: per entity, per event, delay, false alarms, and the ablation side by side."""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2
from sklearn.metrics import average_precision_score, roc_auc_score

from models.audit import SHARE
from models.context.context import Rows
from models.evaluation_incidents import IncidentFigures
from models.evidence_history import UNITS, EvidencePoints, UnitHistory, WorstUnits
from models.explanation import LEAST
from models.labels import OUTSIDE, Labels
from models.scores import ALERTS_BY, EventScores, ScoreName
from schemas.salient import SalientEvent

RESAMPLES: Final = 200
WORST: Final = 5  # misses and false alarms that are named
UNSEEN: Final = -1e9  # added to the prefilter's score where there is no other: ranks below every scored event


def figures(
    truth: NDArray[np.bool_], flagged: NDArray[np.bool_], score: NDArray[np.float64]
) -> dict[str, Any]:
    """Precision, recall and F1 of flagged, average precision and ROC AUC of score, against truth; all (n,).

    Values that the labels cannot give (no positives, no negatives) are None.
    """
    hits = int((truth & flagged).sum())
    positives, alarms = int(truth.sum()), int(flagged.sum())
    both = 0 < positives < len(truth)
    return {
        "precision": hits / alarms if alarms else None,
        "recall": hits / positives if positives else None,
        "f1": 2 * hits / (positives + alarms) if positives + alarms else None,
        "average_precision": float(average_precision_score(truth, score)) if positives else None,
        "roc_auc": float(roc_auc_score(truth, score)) if both else None,
        "n_positive": positives,
        "n": len(truth),
    }


def interval(
    truth: NDArray[np.bool_], flagged: NDArray[np.bool_], score: NDArray[np.float64], seed: int = 0
) -> dict[str, list[float]]:
    """95% bootstrap intervals (Efron, 1979) of F1, average precision and ROC AUC over RESAMPLES sets of
    entities; without what the labels cannot give.
    """
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {"f1": [], "average_precision": [], "roc_auc": []}
    for _ in range(RESAMPLES):
        pick = rng.integers(0, len(truth), len(truth))
        if truth[pick].any():
            hits = int((truth[pick] & flagged[pick]).sum())
            drawn["f1"].append(2 * hits / int(truth[pick].sum() + flagged[pick].sum()))
            drawn["average_precision"].append(float(average_precision_score(truth[pick], score[pick])))
            if not truth[pick].all():
                drawn["roc_auc"].append(float(roc_auc_score(truth[pick], score[pick])))
    return {name: np.percentile(each, [2.5, 97.5]).tolist() for name, each in drawn.items() if each}


def missed(found: int, rejected: int) -> tuple[float, list[float]]:
    """How many of the rejected rows would have alerted, where so many of the audited ones would have, and a
    95% interval.

    That of Garwood for a Poisson mean (Biometrika 28, 1936), as a count in a small sample is.
    """
    low = float(chi2.ppf(0.025, 2 * found)) / 2.0 if found else 0.0
    high = float(chi2.ppf(0.975, 2 * found + 2)) / 2.0
    return found / SHARE, [low / SHARE, max(found / SHARE, min(high / SHARE, float(rejected)))]


@dataclass
class _Units:
    """What is known so far of each labelled unit (an entity, or a source inside or outside an interval), in
    event times: when its first row came, its last one, its fault (as the first row where labels do not say)
    and its first alert; best score and whether it was flagged by the name of the score.
    """

    index: dict[str, int] = field(default_factory=dict)
    truth: list[bool] = field(default_factory=list)
    began: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)
    first_alert: list[float] = field(default_factory=list)
    best: dict[ScoreName, list[float]] = field(default_factory=lambda: {name: [] for name in ScoreName})
    flagged: dict[ScoreName, list[bool]] = field(default_factory=lambda: {name: [] for name in ScoreName})
    sources: set[str] = field(default_factory=set)

    def place(self, key: str, truth: bool, time: float, start: float) -> int:
        at = self.index.setdefault(key, len(self.truth))
        if at == len(self.truth):
            self.truth.append(truth)
            self.began.append(time)
            self.last.append(time)
            self.start.append(start)
            self.first_alert.append(np.inf)
            for name in ScoreName:
                self.best[name].append(-np.inf)
                self.flagged[name].append(False)
        return at


class Evaluation:
    """Collects what a replay scored and says how good it was; labels are used here and nowhere before."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.units = _Units()
        self.incidents = IncidentFigures(labels)
        self.points = EvidencePoints()
        self.false_alarms = 0
        self._event_truth: list[bool] = []
        self._event_score: list[float] = []
        self._event_flag: list[bool] = []
        self._unit = self._interval_unit if labels.intervals else self._entity_unit

    def _entity_unit(self, source: str, entity: str, time: float) -> int:
        at = self.units.index.get(entity)
        if at is not None:
            return at
        truth = self.labels.entities.get(entity)
        if truth is None:
            return -1
        return self.units.place(entity, truth, time, self.labels.starts.get(entity, time))

    def _interval_unit(self, source: str, entity: str, time: float) -> int:
        self.units.sources.add(source)
        for start, end in self.labels.intervals.get(source, ()):
            if start <= time <= end:
                return self.units.place(f"{source} {start}", True, time, start)
        return self.units.place(source, False, time, time)

    def prefiltered(
        self,
        sources: Sequence[str],
        entities: Sequence[str],
        times: Sequence[float],
        logits: Sequence[float],
        alerting: Sequence[bool],
        salient: Sequence[bool],
        unseen: Sequence[float],
        rows: Rows,
        text: Callable[[int], str],
    ) -> None:
        """Every row of a batch with its prefilter score: all events count, also those no circuit sees.

        The rows (n,), text of their templates, and of each its source, entity, event time (s), score, whether
        it would alert by that, whether it is salient, and what all heads score it if it is not.
        """
        unit, last, flagged = self._unit, self.units.last, self.units.flagged[ScoreName.PREFILTER]
        by_prefilter = self.units.best[ScoreName.PREFILTER]
        by_heads = [best for name, best in self.units.best.items() if name != ScoreName.PREFILTER]
        truth, alerted = self.units.truth, self.units.flagged[ALERTS_BY]
        by_event = bool(self.labels.intervals)
        rises: list[tuple[int, int, float]] = []
        numbers = range(len(times))
        columns = zip(numbers, sources, entities, times, logits, alerting, salient, unseen, strict=True)
        passed = self.incidents.passed
        for row, source, entity, time, logit, alerts, is_salient, score in columns:
            passed(source, entity, time)
            at = unit(source, entity, time)
            if at < 0:
                continue
            if logit > by_prefilter[at]:
                for best in by_heads:
                    best[at] = max(best[at], UNSEEN + logit)
                by_prefilter[at] = logit
                if logit >= LEAST and not (truth[at] and alerted[at]):  # a fault that was found is no mistake
                    rises.append((at, row, logit))
            if time > last[at]:
                last[at] = time
            if alerts:
                flagged[at] = True
            if is_salient:  # it comes again, with its score
                continue
            for best in by_heads:
                if score > best[at]:
                    best[at] = score
            if by_event:
                self._event_truth.append(self.labels.at_fault(source, time))
                self._event_score.append(score)
                self._event_flag.append(False)
        if rises:
            self._keep(rises, rows, text)

    def _keep(self, rises: list[tuple[int, int, float]], rows: Rows, text: Callable[[int], str]) -> None:
        """Keep what raised the evidence of units (unit, row, nats), while these are not too many."""
        self.points.add(rises, rows, text)
        if len(self.points) > UNITS:  # the worst so far, and those whose evidence rose last
            units = list(self.points)
            misses = self._worst(units, truth=True, most=UNITS // 8)
            alarms = self._worst(units, truth=False, most=UNITS // 8)
            self.points.keep({*units[-UNITS // 2 :], *misses, *alarms})

    def scored(
        self, events: Sequence[SalientEvent], scores: EventScores, limits: NDArray[np.float64]
    ) -> None:
        """Salient events with all of their scores, in their order, and the largest p-value (n,) at which each
        alerts; audited ones are counted elsewhere.
        """
        most = limits.tolist()
        columns = {name: (scores.values[name].tolist(), scores.p_values[name].tolist()) for name in ScoreName}
        for row, event in enumerate(events):
            at = -1 if event.audit else self._unit(event.source, event.entity, event.time)
            if at < 0:
                continue
            for name, (values, p_values) in columns.items():
                if name != ScoreName.PREFILTER:  # `prefiltered` has seen it
                    self.units.best[name][at] = max(self.units.best[name][at], values[row])
                    self.units.flagged[name][at] |= p_values[row] <= most[row]
            values, p_values = columns[ALERTS_BY]
            self._alerted(at, event, values[row], p_values[row] <= most[row])

    def _alerted(self, at: int, event: SalientEvent, score: float, alert: bool) -> None:
        """Count an event of a unit by the score that alerts go by."""
        if alert:
            # an alert before the fault is no early detection of it
            if event.time >= self.units.start[at] or not self.units.truth[at]:
                self.units.first_alert[at] = min(self.units.first_alert[at], event.time)
            self.false_alarms += not self.units.truth[at]
            if self.units.truth[at]:
                self.points.drop(at)
        if self.labels.intervals:
            self._event_truth.append(self.labels.at_fault(event.source, event.time))
            self._event_score.append(score)
            self._event_flag.append(alert)

    def unmatched(self) -> str:
        """That labels match none of the events, by name or time, and what may be meant; "" where all do."""
        units = self.units
        text = self.labels.unmatched(units.sources if self.labels.intervals else units.index)
        if not text and self.labels.intervals and not any(units.truth):
            return OUTSIDE
        return text

    def report(self, events: int) -> dict[str, Any]:
        """The keys of metrics.json that depend on labels.

        worst: names of the worst misses and false alarms, as in `worst_units`; where a unit is an interval,
        its source and start.
        """
        units = self.units
        truth = np.array(units.truth, bool)
        ablation: dict[str, Any] = {}
        for name in ScoreName:
            flagged = np.array(units.flagged[name], bool)
            score = np.array(units.best[name], np.float64)
            ablation[name] = figures(truth, flagged, score)
            ablation[name]["interval95"] = interval(truth, flagged, score) if len(truth) else {}
        result: dict[str, Any] = {
            "entity": {key: value for key, value in ablation[ALERTS_BY].items() if key != "interval95"},
            "false_alarms_per_10k_events": 1e4 * self.false_alarms / events if events else None,
            "incidents": self.incidents.report(),
            "delay_seconds": self._delays(),
            "worst": {"misses": self._names(truth=True), "false_alarms": self._names(truth=False)},
            "ablation": ablation,
        }
        if self.labels.intervals and self._event_truth:
            result["event"] = figures(
                np.array(self._event_truth), np.array(self._event_flag), np.array(self._event_score)
            )
        return result

    def _delays(self) -> dict[str, float | None]:
        units = zip(self.units.truth, self.units.start, self.units.first_alert, strict=True)
        delays = [max(0.0, alert - start) for truth, start, alert in units if truth and alert < np.inf]
        if not delays:
            return {"p50": None, "p90": None}
        return {"p50": float(np.percentile(delays, 50)), "p90": float(np.percentile(delays, 90))}

    def worst_units(self) -> WorstUnits:
        """At most WORST of either kind, by the score that alerts go by, with how their evidence grew."""
        flagged = self.units.flagged[ALERTS_BY]
        mistaken = [truth for truth, alert in zip(self.units.truth, flagged, strict=True) if truth != alert]
        misses = sum(mistaken)
        return WorstUnits(
            self._histories(truth=True), self._histories(truth=False), misses, len(mistaken) - misses
        )

    def _worst(self, units: Iterable[int], truth: bool, most: int) -> list[int]:
        """Misses among units, those that scored lowest first; or false alarms, the highest first."""
        labelled, flagged, best = self.units.truth, self.units.flagged[ALERTS_BY], self.units.best[ALERTS_BY]
        mistaken = (at for at in units if labelled[at] == truth != flagged[at])
        return heapq.nsmallest(most, mistaken, key=lambda at: best[at] if truth else -best[at])

    def _names(self, truth: bool) -> list[str]:
        keys = list(self.units.index)
        return [keys[at] for at in self._worst(range(len(keys)), truth, WORST)]

    def _histories(self, truth: bool) -> list[UnitHistory]:
        units, keys = self.units, list(self.units.index)
        histories = []
        for at in self._worst(range(len(keys)), truth, WORST):
            name, fault = keys[at], self.labels.starts.get(keys[at])
            if self.labels.intervals and truth:
                name, fault = name.rsplit(" ", 1)[0], units.start[at]
            alert = units.first_alert[at]
            nats = max(0.0, units.best[ScoreName.PREFILTER][at])
            histories.append(
                UnitHistory(
                    name, truth, units.began[at], units.last[at], fault,
                    max(alert, units.began[at]) if alert < np.inf else None, nats, self.points.of(at),
                )
            )  # fmt: skip
        return histories
