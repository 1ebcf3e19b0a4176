"""`qualm train`: from logs to a bundle."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.cli import options
from agents.cli.errors import fail, warn
from models.options import PRESETS, TrainingOptions

if TYPE_CHECKING:
    from models.bundle import Bundle


@click.command(short_help="Train a bundle on logs.")
@options.inputs
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write the bundle to.",
)
@options.labels
@click.option(
    "--seed",
    default=TrainingOptions.seed,
    show_default=True,
    help="Same events, options and seed: same bundle.",
)
@click.option(
    "--wires",
    default=TrainingOptions.wires,
    show_default=True,
    type=click.IntRange(1, 16),
    help="Qubits of the circuit; more than 12 are not compiled, and slow.",
)
@click.option(
    "--layers",
    default=TrainingOptions.layers,
    show_default=True,
    type=click.IntRange(0, 16),
    help="Trainable layers of the circuit.",
)
@click.option(
    "--preset",
    default=TrainingOptions.preset,
    show_default=True,
    type=click.Choice(PRESETS),
    help="Circuit: inputs encoded once, before every layer, or the plain one without weights.",
)
@click.option(
    "--open-wires",
    default=TrainingOptions.open_wires,
    show_default=True,
    type=click.FloatRange(0, 64, min_open=True),
    help="Open wires that the gate is trained to, on average over normal salient events; at most all.",
)
@click.option(
    "--steps",
    default=TrainingOptions.steps,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="Steps of gradient descent.",
)
@click.option(
    "--budget",
    "salience_budget",
    default=TrainingOptions.salience_budget,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of events past the prefilter.",
)
@options.false_alarms
@click.option(
    "--cold", is_flag=True, help="Leave out what was learnt of these very sources, for use on other systems."
)
@options.as_json
@options.reading
def train(inputs: tuple[str, ...], out: Path, labels: Path | None, as_json: bool, **given: Any) -> None:
    """Train a bundle on logs: files, globs, '-' or kafka://host:port/topic.

    Several files are merged by event time, as `qualm replay` merges them.

    Without labels the logs should be mostly normal; synthetic faults written into them are what is learnt to
    be found. The first 70% by time fit the weights, the rest sets the thresholds. Lines are read by the
    settings, unless options say otherwise; the bundle remembers how. 500 events are the least; some ten
    thousand, over a day or more, are better.

    \b
    Examples:
      qualm train 'logs/*.log.gz' --out my-bundle \\
        --line '<date> <time> <pid> <level> <logger>: <message>' --entity-pattern 'req-[0-9a-f]+'
      qualm train kafka://127.0.0.1:9092/logs --out my-bundle --entity-field request_id
    """
    from agents.inputs.inputs import InputError, Inputs, labels_from
    from agents.outputs import OutputError
    from agents.progress import progress_bars
    from agents.train import run_training
    from models.bundle import BundleError
    from schemas.formats.options import ReadOptions

    reading = options.read_options(ReadOptions(), given, inputs)
    training = options.chosen(TrainingOptions, given)
    try:
        with progress_bars(quiet=as_json) as progress:
            known = labels_from(labels)
            logs = Inputs(inputs, options.settings())
            bundle = run_training(logs, reading, known, training, out, progress, warn)
    except (InputError, OutputError, BundleError, ValueError, OSError) as error:
        fail(error)
    _say_trained(bundle, out, as_json)


def _say_trained(bundle: "Bundle", out: Path, as_json: bool) -> None:
    from agents.cli.train_view import show
    from models.training.learnt import pace

    accepted, training = bundle.false_alarms, bundle.manifest.training
    share = float(accepted.shares(pace(training))[0])
    if as_json:
        head = {"bundle": str(out), "digest": bundle.digest}
        alarms = {"false_alarms": str(accepted), "p_limit": share}
        click.echo(json.dumps({**head, **training, **alarms}))
        return
    show(training, accepted)
    for of, fit in training["tail"].items():
        if fit["too_light"]:
            warn(f"the tail of {of} scores does not fit: alert rates are uncertain; see tail, {of} above")
    wires = f"{training['open_wires_reached']} of {training['wires']} wires open"
    click.echo(f"Wrote {out} ({bundle.digest[:16]}), {wires}.")
    click.echo(f"Next: qualm replay INPUT --bundle {out}")
