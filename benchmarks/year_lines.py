"""Lines of the simulated year as numbers, so that a day of them is made by arrays, and as events again."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.year_calendar import Deployment
from benchmarks.year_services import (
    BACKGROUND,
    CLOCKED,
    VARIANTS,
    WAYS,
    Line,
    messages,
    template_of,
    verbose_line,
)
from schemas.events import EventBatch

Key = tuple[Line, int, bool]
NO_ENTITY: Final = -1


class Phrases:
    """Numbers ("codes") of lines as a version writes them, slow or not, with VARIANTS messages each."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._codes: dict[Key, int] = {}
        self._took: list[list[float]] = []
        self._messages: list[str] = []
        self._lines: list[Line] = []
        self._table: NDArray[np.object_] = np.zeros(0, object)
        self._took_table = np.zeros((0, VARIANTS))

    def code(self, line: Line, version: int = 0, slow: bool = False) -> int:
        """The number of a line, which is made when it is first asked for."""
        key = line, version, slow
        if key not in self._codes:
            self._codes[key] = len(self._codes)
            texts, took = messages(line, version, slow, self._seed)
            self._messages += texts
            self._took.append(took)
            self._lines.append(line)
        return self._codes[key]

    def took(self, code: NDArray[np.int64], variant: NDArray[np.int64]) -> NDArray[np.float64]:
        """Seconds (n,) that messages (n,) say that their step took."""
        if len(self._took_table) != len(self._took):
            self._took_table = np.array(self._took)
        return self._took_table[code, variant]

    def events(
        self,
        time: NDArray[np.float64],
        code: NDArray[np.int64],
        variant: NDArray[np.int64],
        entity: NDArray[np.int64],
        offset: int,
    ) -> EventBatch:
        """Rows (n,) in order of time as log events, the first of them at an offset."""
        if len(self._table) != len(self._messages):
            self._table = np.array(self._messages, object)
        sources = np.array([line.source for line in self._lines], object)
        severities = np.array([line.severity for line in self._lines])
        n = len(time)
        return EventBatch(
            time.tolist(), severities[code].tolist(), sources[code].tolist(),
            ["" if number < 0 else entity_name(number) for number in entity.tolist()],
            self._table[code * VARIANTS + variant].tolist(),
            [None] * n, list(range(offset, offset + n)), [0] * n,
        )  # fmt: skip


def entity_name(number: int) -> str:
    """The request id of a number."""
    return f"r{number:08x}"


class Versions:
    """Which version of each line is in use when, and which services write twice as much."""

    def __init__(self, deployments: list[Deployment], share: float, rng: np.random.Generator) -> None:
        self.renewed: list[tuple[Deployment, frozenset[str]]] = []
        self._changes: dict[Line, list[tuple[float, int]]] = {}
        self._verbose: dict[str, list[tuple[float, bool]]] = {}
        for each in deployments:
            lines = lines_of(each.service)
            count = max(1, round(share * len(lines)))
            new = [lines[i] for i in sorted(rng.choice(len(lines), count, replace=False).tolist())]
            for line in new:
                self._changes.setdefault(line, []).append((each.time, each.version))
            self._verbose.setdefault(each.service, []).append((each.time, each.verbose))
            texts = {template_of(line, each.version) for line in new}
            if each.verbose:
                texts.add(template_of(verbose_line(each.service)))
            self.renewed.append((each, frozenset(texts)))

    def codes(
        self, phrases: Phrases, line: Line, time: NDArray[np.float64], slow: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Codes (n,) of a line written at times (n,), by steps that are slow or not."""
        changes = self._changes.get(line, [])
        versions = [0, *(version for _, version in changes)]
        at = np.searchsorted([when for when, _ in changes], time, "right") if changes else 0
        fast = np.array([phrases.code(line, version) for version in versions])[at]
        if not slow.any():
            return np.broadcast_to(fast, time.shape)
        slowed = np.array([phrases.code(line, version, True) for version in versions])[at]
        return np.where(slow, slowed, fast)

    def verbose(self, service: str, time: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether a service writes twice as much at times (n,)."""
        changes = self._verbose.get(service)
        if not changes:
            return np.zeros(len(time), bool)
        at = np.searchsorted([when for when, _ in changes], time, "right")
        return np.array([False, *(verbose for _, verbose in changes)])[at]


def lines_of(service: str) -> list[Line]:
    """The usual lines of a service, in a fixed order, each once."""
    of_ways = [step.line for way in WAYS for step in way.steps]
    lines = [*of_ways, *(line for line, _ in BACKGROUND), *CLOCKED]
    return list(dict.fromkeys(line for line in lines if line.source == service))
