"""How `qualm tail` shows an alert, a salient event or a dead letter: lines cut at the terminal's width."""

from rich.console import Console
from rich.text import Text

from agents.incident_lines import incident_lines
from agents.printable import printable
from agents.tail import DeadRecord, Message
from schemas.alert import Alert, rfc3339
from schemas.events import severity_text
from schemas.salient import SalientEvent


def show(message: Message) -> None:
    """For people."""
    if isinstance(message, Alert):
        lines = incident_lines(message, _when(message.time))
    elif isinstance(message, SalientEvent):
        lines = _salient(message)
    else:
        lines = _dead(message)
    console = Console(highlight=False)
    for line in lines:
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)


def _salient(event: SalientEvent) -> list[Text]:
    head = Text.assemble(f"{_when(event.time)} ", ("salient", "bold yellow"))
    head.append(f" {event.trigger}, {severity_text(event.severity)}, ")
    head.append(f"{sum(event.open_wires)} of {len(event.open_wires)} wires open")
    return [head, _about(event.source, event.entity), Text("  " + printable(event.message, 300))]


def _dead(record: DeadRecord) -> list[Text]:
    letter = record.letter
    place = f" {printable(letter.topic, 249)}[{letter.partition}] offset {letter.offset}"
    value = (letter.value or b"")[:1_200].decode("utf-8", "replace")
    return [
        Text.assemble(f"{_when(record.time)} ", ("dead letter", "bold magenta"), place),
        Text("  " + printable(letter.reason, 500)),
        Text("  > " + (printable(value, 300) or "empty"), "dim"),
    ]


def _about(source: str, entity: str) -> Text:
    return Text(f"  {printable(source, 100)} {printable(entity, 100)}".rstrip(), "cyan")


def _when(time: float) -> str:
    try:
        return rfc3339(time)[:19].replace("T", " ")
    except ValueError:
        return "no time"
