"""What `qualm inspect` shows in the terminal."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from agents.cli.first_look import command
from agents.inputs.tally import LINE, TIME
from agents.inspection import Inspection
from agents.origins import COLUMNS, Sample, content, is_binary
from agents.printable import printable
from models.options import MIN_EVENTS
from schemas.alert import rfc3339
from schemas.events import UNKNOWN_SOURCE, severity_text
from schemas.formats.options import ReadOptions

NAMES: Final = 3  # inputs that are named
NO_ENTITY: Final = (
    "No entity (request, block, run: what lines are about) was found: sources are judged by the minute, not "
    "single requests; --entity-field or --entity-pattern names one"
)


def show(found: Inspection, inputs: Sequence[str], reading: ReadOptions) -> None:
    """All of it, and the next command."""
    console = Console(highlight=False, soft_wrap=False)
    for each in found.found:
        more = f" and {len(each.names) - NAMES:,} more" if len(each.names) > NAMES else ""
        names = ", ".join(printable(name, 60) for name in each.names[:NAMES])
        console.print(Text(f"{names}{more}", "bold"), overflow="fold")
        reasons = "; ".join(printable(text, 300) for text in (each.why, each.doubt) if text)
        console.print(Text.assemble("  format ", (each.format, "green"), f": {reasons}" if reasons else ""))
    console.print(f"\nFirst records: {found.records:,}; events in them: {len(found.events):,}")
    if len(found.events):
        _show_columns(console, found)
        console.print(Text("\nRecords, and the events that they become (times in UTC)", "bold"))
        for sample in found.shown:
            _show_sample(console, sample)
    _show_missing(console, found, reading)
    following = printable(_next(found, tuple(inputs), reading), 10_000)
    console.print(Text.assemble("\nNext: ", (following, "cyan")), soft_wrap=True)


def _show_columns(console: Console, found: Inspection) -> None:
    console.print(Text(f"\n{'taken as':<10}{'of events':>9}   from", "dim"))
    lacking = found.missing.shares()
    for column in COLUMNS:
        share = 1.0 - lacking.get(column, 0.0)
        where = found.taken[column] or ("what the record says" if share else "-")
        room = max(20, console.width - 22)
        where = where if len(where) <= room else "…" + where[1 - room :]  # the end of a path says more
        line = f"{column:<10}{_percent(share):>9}   {printable(where, room)}"
        console.print(Text(line, "" if share else "yellow"), overflow="fold")


def _show_sample(console: Console, sample: Sample) -> None:
    """A line of the record and three of the event, each cut at the width of the terminal."""
    known = sample.event
    level = severity_text(known.severity) if known.severity else "no level"
    source = printable(known.source, 24) if known.source != UNKNOWN_SOURCE else "no source"
    about = f"  {printable(known.entity, 40)}" if known.entity else ""
    for text in (
        Text("> " + _record(sample.record), "dim"),
        Text(f"  {_when(known.time)}  {level}  {source}{about}", "cyan"),
        Text("  " + printable(known.message, 1_000)),
    ):
        console.print(text, no_wrap=True, overflow="ellipsis", crop=True)


def _record(record: bytes) -> str:
    """The beginning of a record; of one that is no text with dots for what is no letter."""
    unpacked = content(record)
    text = unpacked[:2_000].decode("utf-8", "replace")
    if not is_binary(unpacked):
        return printable(text, 1_000)
    letters = ("".join(letter if letter.isprintable() and letter != "\ufffd" else "." for letter in text))[
        :500
    ]
    return f"{len(unpacked):,} bytes: {letters}"


def _show_missing(console: Console, found: Inspection, reading: ReadOptions) -> None:
    """What was not understood, what is not there, and the entity."""
    names = [name for each in found.found for name in each.names]
    known = f"{names[0]}: " if len(names) == 1 else ""
    share = _percent(found.not_understood) if found.failed else "none"
    console.print(f"\nNot understood: {share} of the records")
    for text in found.failures:
        console.print(Text("  " + printable(text.removeprefix(known), 700), "yellow"))
    for text in found.said:
        console.print(Text("Missing: " + printable(text.removeprefix(known), 700), "yellow"))
    if found.source_field:
        console.print(Text(f"Source that may be meant: --source-field {printable(found.source_field, 100)}"))
    if found.entity:
        console.print(Text("Entity that training would take: " + printable(found.entity.sentence(), 300)))
    elif len(found.events) and found.missing.entity == found.missing.events and not _told(reading):
        console.print(Text(NO_ENTITY, "yellow"))


def _next(found: Inspection, inputs: tuple[str, ...], reading: ReadOptions) -> str:
    if found.missing.time < found.missing.events:
        if len(found.events) < MIN_EVENTS:
            return command("replay", inputs, reading) + "  # too few to train on"
        return command("train", inputs, reading, "--out", "my-bundle")
    if {each.format for each in found.found} & {"text", "unknown"}:
        return command("inspect", inputs, reading) + ("" if reading.line else f" --line {LINE}")
    if not reading.time_field:
        return command("inspect", inputs, reading) + f" {TIME} FIELD"
    return command("replay", inputs, reading)


def _told(reading: ReadOptions) -> bool:
    return bool(reading.entity_field or reading.entity_pattern)


def _when(time: float) -> str:
    return rfc3339(time)[:23].replace("T", " ") if time == time else "no time"


def _percent(share: float) -> str:
    """Of all and of none only where it is so."""
    if 0 < share < 0.001:
        return "<0.1%"
    return ">99.9%" if 0.999 < share < 1 else f"{share:.1%}"
