"""Options that several commands have alike, and what they come to. Nothing heavy is imported at the top."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from agents.cli.errors import WRONG, fail
from models.options import EvaluateOptions
from schemas.formats.names import FORMATS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from agents.settings import Settings
    from schemas.formats.options import ReadOptions

Command = Callable[..., Any]
Options = TypeVar("Options", bound="DataclassInstance")


def files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of files, for shells to complete."""
    return [CompletionItem(incomplete, type="file")]


inputs = click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", shell_complete=files)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON alone, for programs.")


class FalseAlarmsType(click.ParamType):
    """A rate of false alarms, as text that models.false_alarms understands."""

    name = "RATE"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The rate in its usual spelling; fails for what is none."""
        from models.false_alarms import FalseAlarms

        try:
            return str(FalseAlarms.parse(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


false_alarms = click.option(
    "--false-alarms",
    type=FalseAlarmsType(),
    help="False alarms that you accept: 1/day, 2/week, 20/million (events), 0.001/unit; else the bundle's.",
)
bundle = click.option(
    "--bundle",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that `qualm train` wrote; without, the default bundle.",
)
device = click.option(
    "--device",
    default=EvaluateOptions.device,
    show_default=True,
    help="Where circuits run; `qualm doctor` lists what works.",
)
labels = click.option(
    "--labels",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="CSV entity,label[,start] or source,start,end; a replay uses it for the figures alone.",
)


def reading(command: Command) -> Command:
    """How lines are read, alike on every command that reads logs."""
    options = (
        click.option(
            "--format",
            type=click.Choice(FORMATS),
            help="Format of a record; auto finds out.",
        ),
        click.option(
            "--line", help="Header of a text line, e.g. '<date> <time> <pid> <level> <logger>: <message>'."
        ),
        click.option("--entity-field", help="JSON field that holds the entity: request id, block id, ..."),
        click.option(
            "--entity-pattern", help="Regular expression (RE2) that finds the entity in the message."
        ),
        click.option("--source-field", help="JSON field that holds the source."),
        click.option("--time-field", help="JSON field that holds the time of the event."),
        click.option(
            "--schema-registry",
            metavar="URL",
            help="Schema registry of Avro and Protobuf; user and password: QUALM_SCHEMA_REGISTRY_AUTH.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def read_options(
    remembered: "ReadOptions", given: Mapping[str, Any], inputs: Sequence[str] = ()
) -> "ReadOptions":
    """How inputs are read: as a bundle remembers, overridden by the settings, these by those of the topic, as
    in a worker, and all of them by what the command line says.
    """
    known = settings(schema_registry=given.get("schema_registry"))
    try:
        found = {
            topic: known.read_options(topic, remembered).override(_said(given))
            for topic in _topics(inputs) or [""]
        }
    except ValueError as error:
        fail(error)
    first, reading = next(iter(found.items()))
    if other := next((topic for topic, each in found.items() if each != reading), ""):
        fail(
            f"{first} and {other} are read differently ([read.TOPIC] in settings); give one at a time", WRONG
        )
    return reading


def said_options(given: Mapping[str, Any]) -> "ReadOptions":
    """How inputs are read by what the command line says alone; the registry may be that of the settings."""
    from schemas.formats.options import ReadOptions

    registry = settings(schema_registry=given.get("schema_registry")).read_options("").schema_of
    try:
        return ReadOptions().override({**_said(given), "schema_of": registry})
    except ValueError as error:
        fail(error)


def _said(given: Mapping[str, Any]) -> dict[str, Any]:
    from schemas.formats.options import ReadOptions

    return {name: value for name, value in given.items() if name in ReadOptions().remembered()}


def _topics(inputs: Sequence[str]) -> list[str]:
    """Names of the topics among the inputs; ends the command where an address is none."""
    if not (urls := [name for name in inputs if name.startswith("kafka://")]):
        return []
    from agents.inputs.topics import SourceError, parse_url

    try:
        return [parse_url(url)[1] for url in urls]
    except SourceError as error:
        fail(error)


def chosen(kind: type[Options], given: Mapping[str, Any]) -> Options:
    """The options object of a kind, from those of its fields that the command line has."""
    return kind(**{each.name: given[each.name] for each in fields(kind) if each.name in given})


def settings(**overrides: Any) -> "Settings":
    """The settings of a worker, with those on top that the command line has."""
    from agents.settings import SettingsError, load_settings

    try:
        return load_settings(**overrides)
    except SettingsError as error:
        fail(error, WRONG)
