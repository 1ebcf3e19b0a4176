"""The data sets of `benchmarks.detection`: log lines grouped by entity, and which entities train and test."""

import csv
import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from models.context.templates import apply_merges, find_merges, mask
from models.labels import read_labels
from schemas.timestamps import TimestampReader

RUN_FIELD: Final = "run"
BLOCK_PATTERN: Final = r"blk_-?\d+"
SPLITS: Final = ("cinder", "cinder-masked", "hdfs-50", "hdfs-30")
EARLIER_SHARE: Final = 0.3  # of the HDFS sessions that train in hdfs-30
_ERRORS: Final = frozenset({"ERROR", "CRITICAL", "FATAL"})
_NUMBERED: Final = re.compile(r"\S*\d\S*")

Event = tuple[str, str]  # source, template
Record = dict[str, Any]
EntityOf = Callable[[Record], str]


@dataclass(frozen=True, slots=True)
class Unit:
    """The n lines of one entity, in the order of the file.

    times (n,): s since 1970; events (n,): source and template as qualm masks it; plain (n,): the same with
    every word that holds a digit masked as a whole; errors (n,): whether the level is ERROR or above.
    """

    name: str
    times: NDArray[np.float64]
    events: tuple[Event, ...]
    plain: tuple[Event, ...]
    errors: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Protocol:
    """Labels to judge a test file by; labels of the training file, None where training sees none."""

    name: str
    labels: Path
    train_labels: Path | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """A training file and a test file of JSON lines, how an entity is found, and the protocols."""

    name: str
    train: Path
    test: Path
    entity: tuple[str, str]  # option of `qualm`, and its value
    protocols: tuple[Protocol, ...]

    @property
    def entity_of(self) -> EntityOf:
        """The entity of a record, "" for none."""
        option, value = self.entity
        return by_pattern(value) if option == "--entity-pattern" else by_field(value)


def by_field(name: str) -> EntityOf:
    """Entities by a field of the record."""
    return lambda record: str(record.get(name, ""))


def by_pattern(pattern: str) -> EntityOf:
    """Entities by the first match of a regular expression in the message."""
    search = re.compile(pattern).search

    def entity(record: Record) -> str:
        found = search(record["message"])
        return found.group() if found else ""

    return entity


def load_split(name: str, folder: Path, scratch: Path) -> Split:
    """One of SPLITS from a folder with the two data sets; what has to be written goes to the scratch folder.

    Raises OSError for files that are not there, ValueError for other names.
    """
    if name.startswith("cinder"):
        test = folder / ("cinder-test-masked.jsonl" if name == "cinder-masked" else "cinder-test.jsonl")
        protocols = tuple(
            Protocol(f"{name}, failures against {against}", folder / f"cinder-{labels}.csv")
            for labels, against in (("free", "fault-free"), ("active", "fault without failure"))
        )
        return Split(name, folder / "cinder-train.jsonl", test, ("--entity-field", RUN_FIELD), protocols)
    if name == "hdfs-30":
        folder = split_earlier(folder, "hdfs", EARLIER_SHARE, scratch)
    elif name != "hdfs-50":
        raise ValueError(f"no split {name!r}; there are {', '.join(SPLITS)}")
    test_labels, train_labels = folder / "hdfs-test.csv", folder / "hdfs-train.csv"
    protocols = (
        Protocol(f"{name}, label-free", test_labels),
        Protocol(f"{name}, labelled", test_labels, train_labels),
    )
    entity = ("--entity-pattern", BLOCK_PATTERN)
    return Split(name, folder / "hdfs-train.jsonl", folder / "hdfs-test.jsonl", entity, protocols)


def split_earlier(folder: Path, stem: str, share: float, scratch: Path) -> Path:
    """Split the union of {stem}-train and {stem}-test anew, and return the folder of the new files.

    Sessions are ordered by their first line and the first `share` of them trains. All lines of a session stay
    together and lines stay in time order. Files are named as before: {stem}-train.jsonl, -test.jsonl, .csv.
    """
    entity_of = by_pattern(BLOCK_PATTERN)
    parts = [folder / f"{stem}-{part}.jsonl" for part in ("train", "test")]
    lines = list(heapq.merge(*map(_timed_lines, parts), key=lambda line: line[0]))
    names = [entity_of(orjson.loads(text)) for _, text in lines]
    order = list(dict.fromkeys(names))
    earlier = set(order[: int(share * len(order))])
    verdicts = [_rows(folder / f"{stem}-{part}.csv") for part in ("train", "test")]
    verdict = dict(chain.from_iterable(verdicts))
    for part, wanted in (("train", True), ("test", False)):
        with (scratch / f"{stem}-{part}.jsonl").open("wb") as file:
            both = zip(names, lines, strict=True)
            file.writelines(text for name, (_, text) in both if (name in earlier) == wanted)
        with (scratch / f"{stem}-{part}.csv").open("w", newline="", encoding="utf-8") as labels:
            kept = [name for name in order if name in verdict and (name in earlier) == wanted]
            csv.writer(labels).writerows([("entity", "label"), *((name, verdict[name]) for name in kept)])
    return scratch


def _timed_lines(path: Path) -> Iterator[tuple[float, bytes]]:
    reader = TimestampReader()
    with path.open("rb") as lines:
        for line in lines:
            yield reader.read(orjson.loads(line)["timestamp"]), line


def _rows(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return [(row[0], row[1]) for row in csv.reader(lines)][1:]


class Units:
    """Reads files into units; templates are those of the first file read, as qualm's are of its training."""

    def __init__(self, entity_of: EntityOf) -> None:
        self._entity_of = entity_of
        self._merges: frozenset[str] | None = None
        self._kept: dict[Event, Event] = {}  # one object for all lines of a template

    def read(self, path: Path) -> list[Unit]:
        """The entities of a file, ordered by their first lines; lines without an entity are left out."""
        with path.open("rb") as lines:
            return self.of_records(orjson.loads(line) for line in lines)

    def of_records(self, records: Iterable[Record]) -> list[Unit]:
        """As read, from records with timestamp, level, service and message."""
        reader, grouped = TimestampReader(), dict[str, list[tuple[float, Event, Event, bool]]]()
        for record in records:
            if name := self._entity_of(record):
                source, message = str(record.get("service", "")), str(record["message"])
                grouped.setdefault(name, []).append((
                    reader.read(record["timestamp"]),
                    self._event(source, mask(message)),
                    self._event(source, _NUMBERED.sub("<*>", message)),
                    str(record.get("level", "")).upper() in _ERRORS,
                ))  # fmt: skip
        if self._merges is None:
            self._merges = frozenset(find_merges({row[1][1] for rows in grouped.values() for row in rows}))
        merged: dict[Event, Event] = {}
        return [self._unit(name, rows, merged) for name, rows in grouped.items()]

    def _event(self, source: str, text: str) -> Event:
        return self._kept.setdefault((source, text), (source, text))

    def _unit(
        self, name: str, rows: Sequence[tuple[float, Event, Event, bool]], merged: dict[Event, Event]
    ) -> Unit:
        times, masked, plain, errors = zip(*rows, strict=True)
        for event in set(masked) - merged.keys():
            merged[event] = self._event(event[0], apply_merges(event[1], self._merges or frozenset()))
        events = tuple(merged[event] for event in masked)
        return Unit(name, np.array(times, np.float64), events, plain, np.array(errors, bool))


@dataclass(frozen=True, slots=True)
class Truth:
    """The labelled ones of m units: rows (n,) of them, truth (n,); starts (n,), s: from when delay counts."""

    rows: NDArray[np.intp]
    truth: NDArray[np.bool_]
    starts: NDArray[np.float64]


def truth_of(units: Sequence[Unit], labels: Path) -> Truth:
    """Hold units against a label file; where it gives no start, delay counts from the first line.

    Raises ValueError where no unit is labelled.
    """
    given = read_labels(labels)
    rows = [row for row, unit in enumerate(units) if unit.name in given.entities]
    if not rows:
        raise ValueError(f"{labels}: no label names an entity of these lines")
    names = [units[row].name for row in rows]
    first: Mapping[str, float] = {units[row].name: float(units[row].times[0]) for row in rows}
    return Truth(
        np.array(rows, np.intp),
        np.array([given.entities[name] for name in names], bool),
        np.array([given.starts.get(name, first[name]) for name in names], np.float64),
    )
