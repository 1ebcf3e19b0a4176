"""Figures of merit of a replay: per entity, per event, delay, false alarms, and the ablation side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from models.labels import OUTSIDE, Labels
from models.scores import ALERTS_BY, EventScores, ScoreName
from schemas.salient import SalientEvent

RESAMPLES: Final = 200
UNSEEN: Final = -1e9  # added to the prefilter's score where no circuit ran: ranks below every scored event


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


@dataclass
class _Units:
    """What is known so far of each labelled unit (an entity, or a source inside or outside an interval); best
    score and whether it was flagged by the name of the score.
    """

    index: dict[str, int] = field(default_factory=dict)
    truth: list[bool] = field(default_factory=list)
    start: list[float] = field(default_factory=list)
    first_alert: list[float] = field(default_factory=list)
    best: dict[ScoreName, list[float]] = field(default_factory=lambda: {name: [] for name in ScoreName})
    flagged: dict[ScoreName, list[bool]] = field(default_factory=lambda: {name: [] for name in ScoreName})
    sources: set[str] = field(default_factory=set)

    def place(self, key: str, truth: bool, start: float) -> int:
        at = self.index.setdefault(key, len(self.truth))
        if at == len(self.truth):
            self.truth.append(truth)
            self.start.append(start)
            self.first_alert.append(np.inf)
            for name in ScoreName:
                self.best[name].append(-np.inf)
                self.flagged[name].append(False)
        return at


class Evaluation:
    """Collects what a replay scored and says how good it was; labels are used here and nowhere before."""

    def __init__(self, labels: Labels, false_alarm_rate: float) -> None:
        self.labels = labels
        self.false_alarm_rate = false_alarm_rate
        self.units = _Units()
        self.false_alarms = 0
        self._event_truth: list[bool] = []
        self._event_score: list[float] = []
        self._event_flag: list[bool] = []
        self._unit = self._interval_unit if labels.intervals else self._entity_unit

    def _entity_unit(self, source: str, entity: str, time: float) -> int:
        truth = self.labels.entities.get(entity)
        if truth is None:
            return -1
        return self.units.place(entity, truth, self.labels.starts.get(entity, time))

    def _interval_unit(self, source: str, entity: str, time: float) -> int:
        self.units.sources.add(source)
        for start, end in self.labels.intervals.get(source, ()):
            if start <= time <= end:
                return self.units.place(f"{source} {start}", True, start)
        return self.units.place(source, False, time)

    def prefiltered(
        self,
        sources: Sequence[str],
        entities: Sequence[str],
        times: Sequence[float],
        logits: Sequence[float],
        p_values: Sequence[float],
        salient: Sequence[bool],
    ) -> None:
        """Every row of a batch with its prefilter score: all events count, also those no circuit sees."""
        unit, best = self._unit, self.units.best
        by_prefilter, flagged = best[ScoreName.PREFILTER], self.units.flagged[ScoreName.PREFILTER]
        by_event = bool(self.labels.intervals)
        columns = zip(sources, entities, times, logits, p_values, salient, strict=True)
        for source, entity, time, logit, p, is_salient in columns:
            at = unit(source, entity, time)
            if at < 0:
                continue
            if logit > by_prefilter[at]:
                for name in ScoreName:
                    best[name][at] = max(best[name][at], UNSEEN + logit)
                by_prefilter[at] = logit
            if p <= self.false_alarm_rate:
                flagged[at] = True
            if by_event and not is_salient:  # a salient one comes again, with its score
                self._event_truth.append(self.labels.at_fault(source, time))
                self._event_score.append(UNSEEN + logit)
                self._event_flag.append(False)

    def scored(self, events: Sequence[SalientEvent], scores: EventScores) -> None:
        """Salient events with all of their scores, in their order."""
        columns = {name: (scores.values[name].tolist(), scores.p_values[name].tolist()) for name in ScoreName}
        for row, event in enumerate(events):
            at = self._unit(event.source, event.entity, event.time)
            if at < 0:
                continue
            for name, (values, p_values) in columns.items():
                if name != ScoreName.PREFILTER:  # `prefiltered` has seen it
                    self.units.best[name][at] = max(self.units.best[name][at], values[row])
                    self.units.flagged[name][at] |= p_values[row] <= self.false_alarm_rate
            values, p_values = columns[ALERTS_BY]
            self._alerted(at, event, values[row], p_values[row] <= self.false_alarm_rate)

    def _alerted(self, at: int, event: SalientEvent, score: float, alert: bool) -> None:
        """Count an event of a unit by the score that alerts go by."""
        if alert:
            if event.time >= self.units.start[at]:  # an alert before the fault is no early detection of it
                self.units.first_alert[at] = min(self.units.first_alert[at], event.time)
            self.false_alarms += not self.units.truth[at]
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
        """The keys of metrics.json that depend on labels."""
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
            "delay_seconds": self._delays(),
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
