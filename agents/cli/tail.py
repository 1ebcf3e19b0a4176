"""`qualm tail`: alerts, salient events and dead letters as they come."""

import json
import sys
from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING

import click

from agents.cli import options
from agents.cli.errors import fail, warn

if TYPE_CHECKING:
    from agents.inputs.topics import KafkaSource
    from agents.records import RecordBatch
    from agents.tail import Message

_BACK = 100  # records looked at for one to show: of salient events, most are watermarks between them
_NONE = (
    "no alerts, salient events or dead letters in {}; qualm.alerts, qualm.salient and TOPIC.dlq hold them, "
    "and the file that `qualm replay --alerts` writes; `qualm inspect` looks at logs"
)


@click.command()
@click.argument("name", metavar="INPUT", shell_complete=options.files)
@click.option("--once", is_flag=True, help="End at the present end of a topic instead of following it.")
@click.option(
    "-n",
    "--last",
    default=10,
    show_default=True,
    type=click.IntRange(0, 100_000),
    help="How many of those that are there already to show.",
)
@options.as_json
def tail(name: str, once: bool, last: int, as_json: bool) -> None:
    """Show alerts, salient events and dead letters.

    The latest of a file or topic, and what comes. INPUT is a file (as `qualm replay --alerts` writes it; '-'
    for standard input) or kafka://host:port/topic. A topic is followed until Ctrl-C, or shown --once; nothing
    on it changes. Times are in UTC: event time, of dead letters the time of the record. Exits with 1 where
    nothing of it is one of the three.

    --json prints an object a line, all of the record and a type: alert, salient or dead_letter.

    \b
    Examples:
      qualm tail kafka://127.0.0.1:9092/qualm.alerts
      qualm tail kafka://127.0.0.1:9092/logs.dlq --once --last 100
      qualm tail alerts.jsonl --json
    """
    from agents.inputs.inputs import InputError, Inputs
    from agents.inputs.topics import KafkaSource, SourceError

    try:
        if name.startswith("kafka://"):
            with KafkaSource(name, options.settings(), back=last * _BACK) as source:
                _tail_topic(source, name, once, last, as_json)
        else:
            (stream,) = Inputs([name], options.settings()).streams()
            if not _show_last(stream, last, as_json):
                fail(_NONE.format(name))
    except (InputError, SourceError, ValueError, OSError) as error:
        fail(error)
    except KeyboardInterrupt:
        sys.exit(0)


def _tail_topic(source: "KafkaSource", name: str, once: bool, last: int, as_json: bool) -> None:
    from agents.tail import messages

    is_known = _show_last(source, last, as_json)
    if once:
        if not is_known and source.total:
            fail(_NONE.format(name))
        return
    for batch in source.follow():
        found = list(messages(batch))
        is_known = is_known or any(found) or not found
        if not is_known:
            warn(_NONE.format(name))
            is_known = True  # said once
        _show([message for message in found if message], as_json)


def _show_last(batches: "Iterable[RecordBatch]", last: int, as_json: bool) -> bool:
    """Show the latest of what is there; whether anything of it is qualm's."""
    from agents.tail import messages

    kept: list[Message] = []
    is_known = False
    for batch in batches:
        found = list(messages(batch))
        kept = sorted([*kept, *(message for message in found if message)], key=_order)
        kept = kept[max(0, len(kept) - last) :]
        is_known = is_known or len(found) < len(batch) or any(found)
    _show(kept, as_json)
    return is_known


def _order(message: "Message") -> float:
    return message.time if message.time == message.time else -inf


def _show(found: "list[Message]", as_json: bool) -> None:
    from agents.cli.tail_view import show
    from agents.tail import as_object

    for message in found:
        if as_json:
            click.echo(json.dumps(as_object(message)))
        else:
            show(message)
    sys.stdout.flush()
