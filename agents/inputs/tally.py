"""What decoders understood of the inputs, and sentences about what they did not, with a next step."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from agents.inputs.inputs import Inputs
from agents.records import FILE_TOPIC
from schemas.events import UNKNOWN_SOURCE
from schemas.formats.confluent import seen
from schemas.formats.detection import Decoded, TopicDecoder
from schemas.formats.errors import DecodeError
from schemas.formats.json import load
from schemas.formats.options import Format, ReadOptions
from schemas.formats.syslog import is_without_level
from schemas.missing import Missing

SHOWN: Final = 3  # reasons, and inputs, that a sentence names
ENOUGH: Final = 100  # events of an input that tell what the others will be without
TIME: Final = "--time-field"
SYSLOG: Final = (
    "lines of syslog without a priority have none: let the daemon write it, docs/inputs.md, or go without"
)
LINE: Final = "'<date> <time> <level> <logger>: <message>'"
_REASON_CHARS: Final = 160
_EXAMPLE_BYTES: Final = 1 << 16


@dataclass(slots=True)
class Tally:
    """Counts over the records of one file, set of rotated files, or partition; topic and partition are those
    of its batches. failures: offset and reason of the first ones. example: a record that became an event.
    """

    name: str
    topic: str
    partition: int
    format: Format = "auto"
    records: int = 0
    missing: Missing = field(default_factory=Missing)
    failed: int = 0
    failures: list[tuple[int, str]] = field(default_factory=list)
    example: bytes = b""

    def add(self, decoded: Decoded, values: Sequence[bytes | None], offsets: Sequence[int]) -> None:
        """Count some records in."""
        events = decoded.events
        self.records += len(values)
        self.missing.add(events)
        self.failed += len(decoded.failures)
        room = SHOWN - len(self.failures)
        self.failures += [(offsets[index], why) for index, why in decoded.failures[:room]]
        if not self.example and len(events):
            used = values[offsets.index(events.offset[0])] or b""
            self.example = used if len(used) <= _EXAMPLE_BYTES else b""

    def lacks(self) -> tuple[str, ...]:
        """What no event of it has, with what that costs."""
        none = self.missing
        found = (
            (none.time, "no time: rates, gaps and silences cannot be judged"),
            (none.source, f"no source: all lines count as one, `{UNKNOWN_SOURCE}`"),
            (none.level, "no level: errors are not told from the rest"),
        )
        return tuple(text for count, text in found if none.events == count > 0)

    def advice(self) -> str:
        """How it can be read with what it lacks."""
        none = self.missing
        no_time, no_source = none.time == none.events, none.source == none.events
        if self.format not in ("auto", "text"):
            fields = [name for name, lacks in ((TIME, no_time), ("--source-field", no_source)) if lacks]
            named = f"{' and '.join(fields)} {'names its field' if len(fields) == 1 else 'name their fields'}"
            return named if fields else "a level is read from fields of the usual names, docs/inputs.md"
        if not no_time and is_without_level(self.example.decode("utf-8", "replace")):
            return SYSLOG
        return f"--line says where they stand, e.g. {LINE}"


class Tallies:
    """The tallies of all that is read in one run, and sentences about them; on_entities gets those of all
    events, "" for none.
    """

    def __init__(
        self,
        inputs: Inputs,
        options: ReadOptions,
        on_entities: Callable[[Sequence[str]], None] = lambda entities: None,
    ) -> None:
        self._inputs = inputs
        self._options = options
        self._on_entities = on_entities
        self._all: list[Tally] = []
        self._told: set[int] = set()

    def of_stream(self, number: int) -> TopicDecoder:
        """A decoder for a stream of the inputs."""
        return self._decoder(Tally(self._inputs.names[number], FILE_TOPIC, 0))

    def of_partition(self, topic: str, partition: int) -> TopicDecoder:
        """A decoder for a partition of a topic, or for files: of several, merged ones come decoded."""
        if self._inputs.files:
            return self.of_stream(0) if len(self._inputs.names) == 1 else TopicDecoder(self._options)
        return self._decoder(Tally(f"{topic}[{partition}]", topic, partition))

    def _decoder(self, tally: Tally) -> TopicDecoder:
        self._all.append(tally)

        def note(decoded: Decoded, values: Sequence[bytes | None], offsets: Sequence[int]) -> None:
            tally.format = decoder.format
            tally.add(decoded, values, offsets)
            self._on_entities(decoded.events.entity)

        decoder = TopicDecoder(self._options, note)
        return decoder

    def missing(self, enough: int = ENOUGH) -> Iterator[str]:
        """What inputs of enough events that were not spoken of yet are without, and what that costs."""
        groups: dict[tuple[tuple[str, ...], str], list[str]] = {}
        for number, tally in enumerate(self._all):
            if number in self._told or tally.missing.events < enough:
                continue
            self._told.add(number)
            if lacks := tally.lacks():
                groups.setdefault((lacks, tally.advice()), []).append(tally.name)
        for (lacks, advice), names in groups.items():
            yield f"{_listed(names)}: {'; '.join(lacks)} ({advice})"

    def failed(self) -> Iterator[str]:
        """How many records of which inputs became no event, and the first reasons."""
        bad = sorted((tally for tally in self._all if tally.failed), key=lambda tally: -tally.failed)
        for tally in bad[:SHOWN]:
            reasons = "; ".join(
                f"{self._inputs.place(tally.topic, tally.partition, offset)}: {why[:_REASON_CHARS]}"
                for offset, why in tally.failures
            )
            yield (
                f"{tally.name}: {tally.failed:,} of {tally.records:,} records are no log events, left out: "
                f"{reasons}; check --format and --line"
            )
        if len(bad) > SHOWN:
            rest = sum(tally.failed for tally in bad[SHOWN:])
            yield f"{len(bad) - SHOWN} more inputs have {rest:,} records that are no log events"

    @property
    def failures(self) -> int:
        """How many records are no log events."""
        return sum(tally.failed for tally in self._all)

    def no_time(self) -> bool:
        """Whether there are events and none of them has a time."""
        counts = [tally.missing for tally in self._all]
        return any(each.events for each in counts) and all(each.time == each.events for each in counts)

    def where_time_stands(self) -> str:
        """How to say where the time is, with the fields that these records have."""
        if not (names := sorted(self._fields())[:20]):
            return f"--line says where it stands, e.g. {LINE}"
        return f"{TIME} names its field, and fields of these records are {', '.join(names)}"

    def no_entity(self) -> str:
        """That none of the events has an entity though it was said where it is; "" where some have one."""
        options = self._options
        events = sum(tally.missing.events for tally in self._all)
        if not (options.entity_field or options.entity_pattern) or not events:
            return ""
        if any(tally.missing.entity < tally.missing.events for tally in self._all):
            return ""
        if options.entity_pattern:
            return (
                f"--entity-pattern {options.entity_pattern!r} is found in no message of {events:,} events; "
                "it is a regular expression (RE2) that is searched in the message"
            )
        names = ", ".join(sorted(self._fields())[:20])
        there = f"fields of these records are {names}" if names else "these records are no JSON objects"
        return f"--entity-field {options.entity_field} is in none of {events:,} events; {there}"

    def _fields(self) -> set[str]:
        names: set[str] = set()
        for tally in self._all[:SHOWN]:
            try:
                example = seen(tally.example, self._options.schema_of) or b""
                parsed = load(example) if example[:1] == b"{" else None
            except DecodeError:
                continue
            names |= parsed.keys() if isinstance(parsed, dict) else set()
        return {name for name in names if name.isprintable() and len(name) <= 64}


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
