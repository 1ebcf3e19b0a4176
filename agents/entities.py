"""Finding what log lines are about, where nobody has said: a field, or an identifier in the messages.

An identifier comes back a few times within a bounded while, and then never again: a request, a block, a run.
A user, a host or a thread comes back for ever, and a number that is counted up or measured does not.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from schemas.events import EventBatch
from schemas.formats.confluent import seen
from schemas.formats.errors import DecodeError
from schemas.formats.json import load
from schemas.formats.options import ReadOptions
from schemas.formats.patterns import entity_finder
from schemas.timestamps import TimestampReader

SAMPLE: Final = 50_000  # records that are looked at
LEAST_SHARE: Final = 0.5  # of the events that an identifier has to be in, together with another event
LEAST_VALUES: Final = 20
LONGEST: Final = 0.75  # of the sample, from a value's first event to its last, for half of the values
RENEWED: Final = 0.2  # share of the values that begin in the second half of the sample
NEARLY: Final = 0.1  # share of the events by which an identifier in fewer of them is as good
MOST_CANDIDATES: Final = 32
_NO_OBJECTS: Final = ("text", "otlp", "otlp_proto", "msgpack")  # formats without names at the top of a record
_CHARS: Final = 1_000  # of a message that are looked at for identifiers
_PREFIXED: Final = re.compile(r"\b([A-Za-z]{2,16}[_-])-?([0-9a-f][0-9a-f-]{2,40})\b")
_BARE: Final = (
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", r"\b[0-9a-f]{32}", r"\b[0-9a-f]{16}",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where an identifier may be, and how well it does: share of the events that have one that comes back,
    how many values of it there are, and how many events each has on average.
    """

    options: ReadOptions
    share: float
    values: int
    events: float

    def sentence(self) -> str:
        """For people."""
        options = self.options
        where = f"field {options.entity_field}" if options.entity_field else options.entity_pattern
        return (
            f"{where}: in {self.share:.0%} of the first events, {self.values:,} values of "
            f"{self.events:.3g} events each"
        )


def find_entity(values: Sequence[bytes | None], events: EventBatch, options: ReadOptions) -> Candidate | None:
    """The best identifier in records and the events read from them; None for none, or where one is known.

    Of those in nearly as many events as the best, the one with most events a value: a trace, not its spans.
    """
    if options.entity_field or options.entity_pattern or not len(events):
        return None
    if sum(map(bool, events.entity)) >= LEAST_SHARE * len(events):
        return None
    found = [
        candidate
        for chosen, column in (*_fields(values, options), *_patterns(events.message, options))
        if (candidate := _judged(chosen, column))
    ]
    best = max((candidate.share for candidate in found), default=0.0)
    nearly = [each for each in found if each.share >= best - NEARLY]
    return max(nearly, key=lambda each: each.events, default=None)


def _judged(options: ReadOptions, column: Sequence[str]) -> Candidate | None:
    """How well the values (n,) of a column, empty for none, do as an identifier; None for not at all."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for row, value in enumerate(column):
        if value:
            first.setdefault(value, row)
            last[value] = row
    times = Counter(value for value in column if value)
    back = [value for value, count in times.items() if count > 1]
    if len(back) < LEAST_VALUES:
        return None
    events = sum(times[value] for value in back)
    lasted = median(last[value] - first[value] for value in back)
    later = sum(first[value] >= len(column) // 2 for value in back)
    if events < LEAST_SHARE * len(column) or lasted > LONGEST * len(column) or later < RENEWED * len(back):
        return None
    return Candidate(options, events / len(column), len(back), events / len(back))


def _fields(values: Sequence[bytes | None], options: ReadOptions) -> Iterable[tuple[ReadOptions, list[str]]]:
    """Fields of JSON objects that hold short texts or whole numbers which are no times."""
    if options.format in _NO_OBJECTS or options.line is not None:
        return
    records = [_object(seen(value, options.schema_of), options.max_record_bytes) for value in values]
    names = Counter(name for record in records for name in record)
    times = TimestampReader()
    for name, _ in names.most_common(MOST_CANDIDATES):
        column = [_short(record.get(name)) for record in records]
        sample = [value for value in column if value][:100]
        if sample and "." not in name and any(times.text(value) != times.text(value) for value in sample):
            yield replace(options, entity_field=name), column


def _object(value: bytes | None, most: int) -> dict[str, object]:
    try:
        parsed = load(value) if value and len(value) <= most else None
    except DecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _short(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value)
    return text if len(text) <= 128 else ""


def _patterns(messages: Sequence[str], options: ReadOptions) -> Iterable[tuple[ReadOptions, list[str]]]:
    """Identifiers in messages: a word and digits, as in blk_17 or req-0a1b, or digits alone, as in a UUID."""
    prefixes: Counter[str] = Counter()
    decimal: dict[str, bool] = {}
    for message in messages:
        for prefix, digits in _PREFIXED.findall(message[:_CHARS]):
            prefixes[prefix] += 1
            decimal[prefix] = decimal.get(prefix, True) and digits.isdecimal()
    patterns = [
        rf"\b{re.escape(prefix)}-?\d+" if decimal[prefix] else rf"\b{re.escape(prefix)}[0-9a-f-]+"
        for prefix, _ in prefixes.most_common(MOST_CANDIDATES)
    ]
    for pattern in (*patterns, *_BARE):
        find: Callable[[str], str] = entity_finder(pattern)
        yield replace(options, entity_pattern=pattern), [find(message) for message in messages]
