"""`qualm bench`: what the command line gets from this package by an entry point. Heavy imports wait."""

import json
from pathlib import Path
from typing import Any

import click

from agents.cli import options
from agents.cli.errors import fail


@click.command(short_help="Measure this machine.")
@click.argument("what", type=click.Choice(["circuits", "stream", "readout"]))
@options.as_json
@click.option(
    "--events",
    default=200_000,
    show_default=True,
    type=click.IntRange(1),
    help="Events that `stream` produces.",
)
@click.option(
    "--broker", help="Kafka for `stream`; without, one is started from KAFKA_HOME, or the embedded one."
)
@options.bundle
@click.option(
    "--input",
    "inputs",
    multiple=True,
    help="Logs whose replay gives `circuits` and `readout` their events; without, simulated services.",
)
def bench(
    what: str, as_json: bool, events: int, broker: str | None, bundle: Path | None, inputs: tuple[str, ...]
) -> None:
    """Measure this machine: circuits per second, readouts, or events per second from Kafka to alerts.

    \b
    Examples:
      qualm bench circuits
      qualm bench circuits --bundle my-bundle --input today.log.gz
      qualm bench stream --broker 127.0.0.1:9092 --json
    """
    from agents.inputs.inputs import InputError
    from benchmarks.table import show
    from models.bundle import BundleError

    try:
        if what == "stream":
            from benchmarks import stream

            results = stream.run(events, broker)
        else:
            results = _bench_models(what, bundle, inputs, as_json)
    except (InputError, BundleError, RuntimeError, ValueError, OSError) as error:
        fail(error)
    if as_json:
        click.echo(json.dumps(results))
    else:
        show(results)


def _bench_models(what: str, path: Path | None, inputs: tuple[str, ...], quiet: bool) -> list[dict[str, Any]]:
    from agents.inputs.inputs import Inputs
    from agents.progress import progress_bars
    from benchmarks import circuits, readout, salient
    from models.bundle import Bundle

    bundle = Bundle.load(path) if path else Bundle.default()
    if inputs:
        events = salient.of_inputs(bundle, Inputs(inputs, options.settings()))
    else:
        events = salient.of_simulation(bundle)
    if what == "readout":
        return readout.run(bundle, events)
    with progress_bars(quiet) as progress:
        return circuits.run(bundle, events, progress)
