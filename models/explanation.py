"""Why an event alerts: the features that argued most for it, the kind of alert that makes it, its reasons."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.context.features import FEATURES, NAMES, Kind
from schemas.salient import TEMPLATE_CHARS, Reason, ReasonKind

MOST_DRIVERS: Final = 4  # features named in an alert
LEAST: Final = 0.1  # nats that are worth telling
_LEAST_WEIGHT: Final = 1e-3  # of a feature that training gave none, so that it can still be named
_REASONS: Final[tuple[ReasonKind, ...]] = get_args(ReasonKind)  # by their code


def reasons(why: NDArray[Any], text: Callable[[int], str]) -> list[Reason]:
    """What adds most to the evidence of an entity, most first, and LEAST nats at least.

    why: of a row, as models.context.context.Rows has it; text: of a template.
    """
    told = [reason for reason in why.tolist() if reason[0] >= 0 and reason[2] >= LEAST]
    return [
        Reason(
            kind=_REASONS[kind], template=text(template)[:TEMPLATE_CHARS],
            nats=round(nats, 3), share=min(1.0, share),
            age=max(0.0, round(age, 3)),  # below 0 where lines of the entity came out of order
        )
        for kind, template, nats, share, age in sorted(told, key=lambda reason: -reason[2])
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Explanation:
    """kind: what kind of alert it is; drivers: (feature, value, what is usual) of what argued most for it,
    the strongest first.
    """

    kind: Kind
    drivers: list[tuple[str, float, float]]


class Explainer:
    """Explains by the weights of the prefilter, which every head starts from, and by what is typical."""

    def __init__(self, bundle: Bundle) -> None:
        self._weight = np.maximum(bundle.weights["prefilter.weight"].astype(np.float64), _LEAST_WEIGHT)
        self._typical = bundle.weights["typical"].astype(np.float64)

    def explain(self, features: Sequence[float]) -> Explanation:
        """Explain an event by its features x (d,).

        A feature drives an alert by its weight times what it has beyond the 95th percentile of normal events;
        where none is beyond, by its weight times its value.
        """
        x = np.asarray(features)
        drive = self._weight * np.maximum(x - self._typical, 0.0)
        if not drive.any():
            drive = self._weight * x
        order = np.argsort(-drive, kind="stable")[:MOST_DRIVERS].tolist()
        drivers = [(NAMES[i], float(x[i]), float(self._typical[i])) for i in order if drive[i] > 0.0]
        return Explanation(FEATURES[order[0]].kind, drivers)
