"""Label files: entities with a verdict, or intervals in which a source was at fault."""

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isnan, nan
from pathlib import Path
from typing import Final

from schemas.timestamps import TimestampReader

_VERDICTS: Final = {
    "0": False, "normal": False, "no_failure": False, "false": False,
    "1": True, "anomaly": True, "failure": True, "true": True,
}  # fmt: skip
_ENTITY_COLUMNS: Final = ("entity", "blockid", "id", "run")
_LIMIT: Final = 10_000_000
OUTSIDE: Final = "no event is in any of the labelled intervals; check their times and their time zone"
_SHOWN: Final = 3  # labels that a sentence names
_COMPARED: Final = 10_000  # names of the events that a label without one is compared with


@dataclass(slots=True)
class Labels:
    """entities: verdict of each; starts: when its fault became active (s); intervals: per source, (start,
    end) in s.
    """

    entities: dict[str, bool] = field(default_factory=dict)
    starts: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def at_fault(self, source: str, time: float) -> bool:
        """Whether an interval of the source covers the time."""
        return any(start <= time <= end for start, end in self.intervals.get(source, ()))

    def unmatched(self, names: Collection[str]) -> str:
        """That labels name none of the sources (where there are intervals) or entities of some events, and
        which may be meant; "" where all do.
        """
        kind = "source" if self.intervals else "entity"
        absent = [name for name in self.names() if name not in names]
        if not absent:
            return ""
        known = [name for name, _ in zip(names, range(_COMPARED), strict=False)]
        said = []
        for name in absent[:_SHOWN]:
            near = get_close_matches(name[:256], known, 1)
            said.append(f"{name[:64]!r}" + (f" (is {near[0]!r} meant?)" if near else ""))
        more = f" and {len(absent) - _SHOWN:,} more" if len(absent) > _SHOWN else ""
        of = f"{len(absent):,} of {len(self.names()):,}"
        return f"{of} labels name no {kind} of these events: {', '.join(said)}{more}"

    def names(self) -> Collection[str]:
        """The labelled sources where there are intervals, else the labelled entities."""
        return self.intervals.keys() if self.intervals else self.entities.keys()


def read_labels(path: Path) -> Labels:
    """Read a CSV with header `entity,label[,start]` (BlockId also names an entity) or `source,start,end`.

    Raises ValueError naming the file, the line and what was expected.
    """
    labels = Labels()
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        try:
            columns = {name.strip().lower(): name for name in reader.fieldnames or ()}
            entity = next((columns[name] for name in _ENTITY_COLUMNS if name in columns), None)
            if entity is not None and "label" in columns:
                _read_entities(labels, reader, entity, columns)
            elif {"source", "start", "end"} <= columns.keys():
                _read_intervals(labels, reader, columns)
            else:
                raise ValueError("expected the columns entity,label[,start] or source,start,end")
        except UnicodeDecodeError:
            raise ValueError(f"{path}: not UTF-8 text; labels are a CSV file with a header") from None
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path}, line {reader.line_num}: {error}") from None
    return labels


def _read_entities(
    labels: Labels, rows: "csv.DictReader[str]", entity: str, columns: Mapping[str, str]
) -> None:
    start = columns.get("start")
    line_of: dict[str, int] = {}
    for count, row in enumerate(rows):
        verdict = _VERDICTS.get((row[columns["label"]] or "").strip().lower())
        if verdict is None:
            raise ValueError(
                f"label {row[columns['label']]!r} is none of 0, 1, Normal, Anomaly, NO_FAILURE, FAILURE"
            )
        if count >= _LIMIT:
            raise ValueError(f"more than {_LIMIT:,} labels")
        name = row[entity]
        if labels.entities.setdefault(name, verdict) != verdict:
            raise ValueError(
                f"entity {name[:64]!r} is labelled {row[columns['label']]!r}, and the opposite in line "
                f"{line_of[name]}; keep one of them"
            )
        line_of.setdefault(name, rows.line_num)
        if start and row.get(start):
            labels.starts[name] = _time(row[start])


def _read_intervals(labels: Labels, rows: "csv.DictReader[str]", columns: Mapping[str, str]) -> None:
    for count, row in enumerate(rows):
        if count >= _LIMIT:
            raise ValueError(f"more than {_LIMIT:,} labels")
        start, end = _time(row[columns["start"]]), _time(row[columns["end"]])
        if end < start:
            raise ValueError("the interval ends before it starts")
        labels.intervals.setdefault(row[columns["source"]], []).append((start, end))


def _time(text: str | None) -> float:
    if text is None:
        raise ValueError("too few columns: expected the columns source,start,end")
    value = TimestampReader().text(text) if text else nan
    if isnan(value):
        raise ValueError(f"{text!r} is no time; write 2026-01-31T12:00:00Z or unix seconds")
    return value
