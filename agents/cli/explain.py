"""`qualm explain`: an alert made again from its inputs and bundle, and what argued for it."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from agents.cli import options
from agents.cli.errors import fail
from models.options import EvaluateOptions

if TYPE_CHECKING:
    from agents.explain import Wanted
    from agents.settings import Settings
    from schemas.alert import Alert

NOT_FOUND: Final = 2  # exit code of an alert that the inputs do not give
_LIMIT: Final = 1 << 20  # bytes of an alert: far more than any has
_ID: Final = re.compile(r"[0-9a-f]{32}")


@click.command(short_help="Say why an alert was raised.")
@click.argument("alert", shell_complete=options.files)
@click.argument("inputs", nargs=-1, metavar="[INPUT]...", shell_complete=options.files)
@options.bundle
@options.device
@options.false_alarms
@options.as_json
@options.reading
def explain(alert: str, inputs: tuple[str, ...], bundle: Path | None, as_json: bool, **given: Any) -> None:
    """Say why an alert was raised, by making it again.

    ALERT is a file with an alert as JSON (of several the first), '-' for standard input, or the id of an
    alert. INPUT is what it came from, files or topics, beginning where its worker began to read; without,
    the alert's topic on the broker of the settings, or for an id their topics. As in a replay, records run
    through the worker's own code, here until the alert comes by. Then what argued for it is left out, one
    thing at a time, and its score computed anew.

    Exits with 0 when the p-value is that of the alert, with 1 when it is another one or something is wrong,
    and with 2 when the inputs do not give the alert.

    \b
    Examples:
      qualm replay today.log --bundle my-bundle --alerts alerts.jsonl
      qualm explain alerts.jsonl today.log --bundle my-bundle
      qualm explain 57d1cb0cf4de7e8e8f40a0e7fd7e2a5a kafka://127.0.0.1:9092/logs --bundle my-bundle
    """
    from agents.cli.explain_view import as_object, show
    from agents.evaluate import SalientEvaluation
    from agents.explain import ExplainError, NotFoundError, find, judge
    from agents.inputs.inputs import InputError, Inputs
    from agents.progress import progress_bars
    from models.bundle import Bundle, BundleError
    from models.circuits.devices import DeviceError

    try:
        wanted = _wanted(alert, inputs)
        loaded = Bundle.load(bundle) if bundle else Bundle.default()
        settings = options.settings()
        inputs = inputs or _topics(wanted, settings)
        reading = options.read_options(loaded.manifest.read_options(), given, inputs)
        logs = Inputs(inputs, settings)
        evaluate = options.chosen(EvaluateOptions, given)
        evaluation = SalientEvaluation(loaded, evaluate)
        with progress_bars(quiet=as_json) as progress:
            found = find(
                wanted,
                logs,
                loaded,
                reading,
                lambda read: progress("replay", read.done, read.total),
                evaluation.false_alarms,
                settings.keyed,
            )
        explained = judge(found, wanted.alert, loaded, evaluation)
        explained = replace(explained, alert=logs.located(explained.alert))
    except NotFoundError as error:
        fail(error, NOT_FOUND)
    except (ExplainError, InputError, BundleError, DeviceError, ValueError, OSError) as error:
        fail(error)
    if as_json:
        click.echo(json.dumps(as_object(explained, found), allow_nan=False))
    else:
        show(explained, found)
    if not explained.reproduced:
        fail(
            "the p-value is not that of the alert: the worker had read other records before it, or its "
            "circuits ran on another --device or processor"
        )


def _topics(wanted: "Wanted", settings: "Settings") -> tuple[str, ...]:
    """The topics that an alert may come from. Raises ValueError where it comes from files."""
    from agents.records import FILE_TOPIC

    known = wanted.alert
    if known is not None and known.topic == FILE_TOPIC:
        raise ValueError("the alert comes from files; name them behind it: qualm explain ALERT INPUT...")
    topics = settings.topics if known is None else (known.topic,)
    return tuple(f"kafka://{','.join(settings.broker)}/{topic}" for topic in topics)


def _wanted(name: str, inputs: tuple[str, ...]) -> "Wanted":
    """The alert in a file or on standard input, or of an id. Raises ValueError, which says what is wrong."""
    from agents.explain import Wanted

    if name == "-" and "-" in inputs:
        raise ValueError("standard input cannot hold both the alert and its logs; give one of them as a file")
    if name == "-":
        alert = _first(name, sys.stdin.buffer.read(_LIMIT + 1))
    elif Path(name).exists():
        with Path(name).open("rb") as file:
            alert = _first(name, file.read(_LIMIT + 1))
    elif _ID.fullmatch(name.lower()):
        return Wanted(name.lower())
    else:
        raise ValueError(f"{name}: no such file, and no id of an alert, which has 32 hexadecimal digits")
    return Wanted(alert.id, alert)


def _first(name: str, data: bytes) -> "Alert":
    """The first alert of a file, which may hold one a line, or one over many lines. Raises ValueError."""
    import orjson

    from agents.printable import printable
    from schemas.alert import Alert

    text = data.lstrip(b"\xef\xbb\xbf \t\r\n")
    line = text.partition(b"\n")[0]
    try:
        orjson.loads(line)
        text = line
    except orjson.JSONDecodeError:
        if len(data) > _LIMIT:
            raise ValueError(f"{name}: larger than any alert, and its first line is no JSON") from None
    try:
        return Alert.decode(text)
    except ValueError as error:
        raise ValueError(f"{name}: {printable(str(error), 500)}") from None
