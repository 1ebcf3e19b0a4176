"""How `qualm dlq show` shows a dead letter: cut at the terminal's width, or as JSON types."""

import base64
from collections import Counter
from typing import Any

from rich.console import Console
from rich.text import Text

from agents.dead_letters import ReadLetter
from agents.printable import printable
from schemas.alert import rfc3339

_BYTES = 1_200  # of a value that are looked at for a line


def show_reasons(reasons: "Counter[str]") -> None:
    """How many there are of each kind of reason, most first."""
    console = Console(highlight=False)
    console.print(Text(f"{reasons.total():,} dead letters", "bold"))
    for reason, count in reasons.most_common():
        console.print(Text(f"{count:>9,}  {printable(reason, 80)}"))


def show_letter(read: ReadLetter) -> None:
    """For people: why, where from, and how the bytes begin."""
    letter = read.letter
    head = Text.assemble((f"{read.partition}:{read.offset}", "bold magenta"), f"  {_when(read.time)}  from ")
    head.append(f"{printable(letter.topic, 249)}[{letter.partition}] offset {letter.offset}")
    if read.retries:
        head.append(f", sent back {read.retries} times before")
    size = "no value" if letter.value is None else f"{len(letter.value):,} bytes"
    begins = printable((letter.value or b"")[:_BYTES].decode("utf-8", "replace"), 300)
    console = Console(highlight=False)
    for line in (head, Text("  " + printable(letter.reason, 500)), Text(f"  {size} > {begins}", "dim")):
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)


def as_object(read: ReadLetter) -> dict[str, Any]:
    """As JSON types, all that there is of it."""
    letter = read.letter
    return {
        "place": f"{read.partition}:{read.offset}",
        "time": read.time if read.time == read.time else None,
        "reason": letter.reason,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "retries": read.retries,
        **_bytes("key", letter.key),
        **_bytes("value", letter.value),
        "headers": [{"name": name, **_bytes("value", value)} for name, value in letter.headers],
    }


def _bytes(name: str, value: bytes | None) -> dict[str, str | None]:
    """As text; in base64 what is none."""
    try:
        return {name: None if value is None else value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value or b"").decode()}


def _when(time: float) -> str:
    try:
        return rfc3339(time)[:19].replace("T", " ")
    except ValueError:
        return "no time"
