"""`qualm inspect`: what is in files or a topic, as qualm reads it."""

import json
from typing import Any

import click

from agents.cli import options
from agents.cli.errors import fail
from agents.cli.first_look import looked_at, nothing_read


@click.command()
@options.inputs
@options.as_json
@options.reading
def inspect(inputs: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Say how logs are read; the first command to run.

    INPUT is a file, a glob, '-' or kafka://host:port/topic.

    Shows the format that is found and why, where time, level, source, entity and message are taken from,
    three records and the events they become, what is not understood, what is missing and what that costs,
    and the entity that training would take. The first 10,000 records are read, of a topic the first of each
    partition; nothing on it changes.

    --json prints one object: format, why, events_read, not_understood (share of the records) and events, the
    first ten: time (Unix seconds, null where unknown), severity (OpenTelemetry number, 0 where unknown),
    source, entity ("" where unknown), message. Of several formats all are named.

    Exits with 0 where there are events, and with 1 where no record could be read as one.

    \b
    Examples:
      qualm inspect app.log
      qualm inspect 'logs/*.log*' --line '<date> <time> <level> <logger>: <message>'
      qualm inspect kafka://127.0.0.1:9092/logs --json
    """
    from agents.cli.inspect_view import show
    from schemas.formats.options import ReadOptions

    reading = options.read_options(ReadOptions(), given, inputs)
    found = looked_at(inputs, reading)
    if as_json:
        click.echo(json.dumps(found.as_object(), allow_nan=False))
    elif found.records:
        show(found, inputs, reading)
    if not len(found.events):
        fail(nothing_read(found))
