"""The salient events of one replay, and how well any scores of them agree with the labels."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agents.replay import Replay
from models.bundle import Bundle
from models.circuits.devices import COMPILED
from models.evaluation import UNSEEN, figures, interval
from models.labels import Labels
from models.options import EvaluateOptions
from models.scores import ALERTS_BY, EventScores, ScoreName
from schemas.salient import SalientEvent


class QualityReplay(Replay):
    """A replay that keeps its salient events, to hold them against the labels once for each method.

    Lines are read as in training. false_alarms: how many are accepted, None for the bundle's.
    """

    def __init__(self, bundle: Bundle, labels: Labels, false_alarms: str | None) -> None:
        options = EvaluateOptions(COMPILED, false_alarms=false_alarms)
        super().__init__(bundle, bundle.manifest.read_options(), labels, options)
        self.salient: list[SalientEvent] = []

    def _score_salient(self, events: Sequence[SalientEvent], scores: EventScores) -> None:
        self.salient += [event for event in events if not event.audit]

    def prefilter_quality(self) -> dict[str, Any]:
        """Figures of the prefilter alone, on every row of the input; keys as in `quality`."""
        units = self._figures.units
        name = ScoreName.PREFILTER
        return _quality(units.truth, units.flagged[name], units.best[name])

    def quality(
        self,
        events: Sequence[SalientEvent],
        scores: NDArray[np.float64],
        p_values: NDArray[np.float64],
        as_logits: bool,
    ) -> dict[str, Any]:
        """Figures of a method that gives these events (m,) these scores and p-values (m,); any other event
        raises no alert, and ranks by its prefilter score: among them where as_logits says that scores of both
        can be compared, else below.

        Keys: those of models.evaluation.figures, per entity or interval, and f1_low, f1_high, ap_low and
        ap_high, the bounds of models.evaluation.interval; None for what the labels cannot give.
        """
        judged = deepcopy(self._figures)
        by_prefilter = judged.units.best[ScoreName.PREFILTER]
        judged.units.best[ScoreName.DENSITY] = [UNSEEN + logit for logit in by_prefilter]
        judged.scored(
            events,
            EventScores(dict.fromkeys(ScoreName, scores), dict.fromkeys(ScoreName, p_values)),
            self.evaluation.limits(events),
        )
        units = judged.units
        return _quality(
            units.truth, units.flagged[ALERTS_BY], units.best[ALERTS_BY if as_logits else ScoreName.DENSITY]
        )


def most_suspect(events: Sequence[SalientEvent], most: int) -> list[SalientEvent]:
    """At most so many of the events, those with the highest prefilter scores, in the order they came in."""
    order = np.argsort([-event.prefilter for event in events], kind="stable")
    return [events[index] for index in sorted(order[:most].tolist())]


def _quality(truth: ArrayLike, flagged: ArrayLike, score: ArrayLike) -> dict[str, Any]:
    columns = np.asarray(truth, bool), np.asarray(flagged, bool), np.asarray(score, np.float64)
    bounds = interval(*columns) if len(columns[0]) else {}
    (f1_low, f1_high), (ap_low, ap_high) = (
        bounds.get(name, (None, None)) for name in ("f1", "average_precision")
    )
    return {
        **figures(*columns),
        "f1_low": f1_low, "f1_high": f1_high, "ap_low": ap_low, "ap_high": ap_high,
    }  # fmt: skip
