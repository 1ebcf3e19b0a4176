"""`qualm init`: from logs to a file of settings, and the next two commands."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.cli import options
from agents.cli.errors import WRONG, fail
from agents.cli.first_look import looked_at, nothing_read
from models.options import MIN_EVENTS

if TYPE_CHECKING:
    from agents.inspection import Inspection
    from schemas.formats.options import ReadOptions

BUNDLE = "my-bundle"
CONFIG = Path("qualm.toml")


@click.command()
@options.inputs
@click.option(
    "--out",
    default=CONFIG,
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write the settings to.",
)
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@options.reading
def init(inputs: tuple[str, ...], out: Path, force: bool, **given: Any) -> None:
    """Look at logs and write a commented qualm.toml.

    Looks at the first 10,000 records, as `qualm inspect` does, proposes format, source and entity, and says
    the next two commands, which read by that file. What options say about reading is taken as it is, what
    settings say is not looked at. Of a topic, broker and topic are
    set too. Passwords are never written: put them into the environment. Exits with 2 where the file is there
    already.

    \b
    Examples:
      qualm init kafka://127.0.0.1:9092/logs
      qualm init 'logs/*.log*' --entity-pattern 'req-[0-9a-f]+' --out shop.toml
    """
    from agents.first_settings import proposed, reading_with, settings_file

    if out.exists() and not force:
        fail(f"{out}: is there already; --force overwrites it, --out names another file", WRONG)
    reading = options.said_options(given)
    where = _topics(inputs)
    found = looked_at(inputs, reading)
    if not len(found.events):
        fail(nothing_read(found))
    chosen_reading = reading_with(found, reading)
    enough = len(found.events) >= MIN_EVENTS and found.missing.time < len(found.events)
    chosen = where | ({"bundle": (BUNDLE, "Written by `qualm train`.")} if enough else {})
    notes = [*found.said, *found.failures]
    text = settings_file(", ".join(inputs), chosen | proposed(found, chosen_reading), notes)
    try:
        with out.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except (OSError, ValueError) as error:
        fail(f"{out}: cannot be written: {error}; name a file in an existing folder with --out")
    _say(found, out, chosen_reading)
    click.echo("Next:")
    for line in _commands(inputs, out, enough):
        click.echo(f"  {line}")


def _topics(inputs: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Broker and topics of the inputs, as settings; nothing for files."""
    if not any(name.startswith("kafka://") for name in inputs):
        return {}
    from agents.inputs.topics import SourceError, parse_url

    try:
        pairs = [parse_url(name) for name in inputs]
    except SourceError as error:
        fail(error)
    addresses = {address for address, _ in pairs}
    if len(addresses) > 1:
        fail(
            f"these topics are of {len(addresses)} brokers; a worker reads from one: give those of one", WRONG
        )
    return {"broker": (addresses.pop(), ""), "topics": (",".join(topic for _, topic in pairs), "")}


def _say(found: "Inspection", out: Path, reading: "ReadOptions") -> None:
    from agents.printable import printable

    lacking, n = found.missing, len(found.events)
    entity = "none found" if lacking.entity == n else found.taken["entity"] or "what the record says"
    source = "none found" if lacking.source == n else found.taken["source"] or "what the record says"
    entity = reading.entity_field or reading.entity_pattern or entity
    source = reading.source_field or source
    click.echo(f"Wrote {printable(str(out), 300)}")
    for name, value in (("format", found.format), ("source", source), ("entity", entity)):
        click.echo(f"  {name}: {printable(value, 300)}")
    for text in found.said:
        click.secho(f"  {printable(text, 700)}", fg="yellow")


def _commands(inputs: tuple[str, ...], out: Path, enough: bool) -> list[str]:
    """What to run next: to train and to use what was trained, or the default bundle where that cannot be.

    All of them read by the settings just written.
    """
    config = "" if out == CONFIG else f"QUALM_CONFIG={shlex.quote(str(out))} "
    if inputs[0].startswith("kafka://"):
        first = ["qualm", "train", *inputs, "--out", BUNDLE] if enough else ["qualm", "doctor"]
        commands = [first, ["qualm", "worker"]]
    elif enough:
        commands = [
            ["qualm", "train", *inputs, "--out", BUNDLE],
            ["qualm", "replay", *inputs, "--bundle", BUNDLE],
        ]
    else:
        commands = [["qualm", name, *inputs] for name in ("inspect", "replay")]
    return [config + shlex.join(words) for words in commands]
