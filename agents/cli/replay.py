"""`qualm replay`: a replay with progress, its files, and its figures in the terminal."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.cli import options
from agents.cli.errors import fail, warn
from models.options import EvaluateOptions

if TYPE_CHECKING:
    from agents.inputs.inputs import Inputs
    from agents.replay import Replay
    from schemas.alert import Alert


@dataclass(frozen=True, slots=True)
class Outputs:
    """Files to write, None for those not wanted, and whether to print JSON alone."""

    metrics: Path | None
    alerts: Path | None
    report: Path | None
    as_json: bool


@click.command(short_help="Run logs through the detector; say how well.")
@options.inputs
@options.bundle
@options.labels
@click.option("--metrics", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures as JSON.")
@click.option(
    "--alerts", type=click.Path(dir_okay=False, path_type=Path), help="Write every alert as a JSON line."
)
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write a page to look at.")
@options.device
@options.false_alarms
@click.option(
    "--resolve-after",
    default=EvaluateOptions.resolve_after,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Seconds without news that resolve an incident.",
)
@click.option(
    "--pages-per-hour",
    default=EvaluateOptions.pages_per_hour,
    show_default=True,
    type=click.IntRange(1, 3600),
    help="Pages an hour of event time, at most.",
)
@click.option(
    "--shots",
    type=click.IntRange(1, 1_000_000),
    help="Estimate circuits from so many shots; name a --device that draws them.",
)
@options.as_json
@options.reading
def replay(
    inputs: tuple[str, ...],
    bundle: Path | None,
    labels: Path | None,
    metrics: Path | None,
    alerts: Path | None,
    report: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Run files or topics through the worker's own code and say what it found, and how well.

    Several files are merged by event time, each in its own format; rotated ones (app.log.2.gz, app.log.1,
    app.log) are read as one; lines without a time stay behind the line before them, and files without any
    come last. Nothing on a topic is changed. Lines are read as by a worker: as in training,
    unless settings or options say otherwise.

    Labels give figures per entity, or per interval, and never change an alert.

    \b
    Examples:
      qualm replay today.log.gz --bundle my-bundle --report report.html
      qualm replay 'logs/*.log*' --bundle my-bundle
      qualm replay kafka://127.0.0.1:9092/logs --bundle my-bundle --alerts alerts.jsonl
      qualm replay test.log --bundle my-bundle --labels truth.csv --metrics metrics.json
    """
    from agents.inputs.inputs import InputError, Inputs, labels_from
    from agents.outputs import OutputError, writable
    from agents.replay import Replay
    from models.bundle import Bundle, BundleError
    from models.circuits.devices import DeviceError

    outputs = Outputs(metrics, alerts, report, as_json)
    try:
        loaded = Bundle.load(bundle) if bundle else Bundle.default()
        reading = options.read_options(loaded.manifest.read_options(), given, inputs)
        logs = Inputs(inputs, options.settings())
        known = labels_from(labels)
        for path in filter(None, (metrics, alerts, report)):
            writable(path)
        keyed = options.settings().keyed
        run = Replay(loaded, reading, known, options.chosen(EvaluateOptions, given), keyed)
        first = _run(run, logs, outputs)
        if not run.totals.events:
            raise InputError(_nothing(logs.records, run.totals.dead_letters))
        if unmatched := run.unmatched_labels():
            warn(f"{labels}: {unmatched}")
        _write(run, first, outputs, labelled=known is not None)
    except (InputError, OutputError, BundleError, DeviceError, ValueError, OSError) as error:
        fail(error)


def _run(replay: "Replay", inputs: "Inputs", outputs: Outputs) -> "list[Alert]":
    """Write every alert, and return the first of each of the first incidents."""
    from agents.progress import progress_bars
    from agents.replay import is_new
    from agents.report import ALERTS

    first: list[Alert] = []
    with ExitStack() as stack:
        file = stack.enter_context(outputs.alerts.open("wb")) if outputs.alerts else None
        progress = stack.enter_context(progress_bars(quiet=outputs.as_json))

        def take(alert: "Alert") -> None:
            if file:
                file.write(alert.encode() + b"\n")
            if is_new(alert) and len(first) < ALERTS:
                first.append(alert)

        replay.run(inputs, take, lambda read: progress("replay", read.done, read.total), warn)
    return first


def _write(replay: "Replay", first: "list[Alert]", outputs: Outputs, labelled: bool) -> None:
    """The files that are wanted, and the figures in the terminal."""
    from agents.cli.replay_view import show
    from agents.report import render

    metrics = replay.metrics()
    text = json.dumps(metrics, indent=1, allow_nan=False)
    if outputs.metrics:
        outputs.metrics.write_text(text + "\n", encoding="utf-8")
    if outputs.report:
        threshold = replay.bundle.manifest.prefilter_threshold
        page = render(metrics, first, replay.worst_units(), threshold, "qualm replay")
        outputs.report.write_text(page, encoding="utf-8", errors="replace")
    if labelled and not metrics["entity"]["n"]:
        warn("no label names an entity or source of these events, so no figures; check --entity-field")
    if outputs.as_json:
        click.echo(text)
    else:
        show(metrics, first)


def _nothing(records: int, unused: dict[str, int]) -> str:
    """Why a replay had no event."""
    if not records:
        return "the input holds no records; is it the right file or topic?"
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in unused.items())
    return (
        f"none of the {records:,} records could be read as a log event ({reasons}); check --format and --line"
    )
