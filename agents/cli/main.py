"""The command line. Heavy imports stay inside the commands, so that `qualm --help` is instant."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from agents.settings import Settings
    from models.bundle import Bundle
    from schemas.formats.options import ReadOptions

Command = Callable[..., Any]


def _fail(message: object) -> NoReturn:
    click.secho(f"qualm: {message}", fg="red", err=True)
    sys.exit(1)


def reading_options(command: Command) -> Command:
    """How lines are read, alike on every command that reads logs."""
    options = (
        click.option(
            "--format",
            "format_",
            type=click.Choice(["auto", "json", "otlp", "text"]),
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
    )
    for option in reversed(options):
        command = option(command)
    return command


def _reading(remembered: "ReadOptions", given: Mapping[str, Any]) -> "ReadOptions":
    """What the command line says about reading, and where it says nothing, what the bundle remembers."""
    chosen = {"format" if name == "format_" else name: value for name, value in given.items()}
    try:
        return remembered.override(chosen)
    except ValueError as error:
        _fail(error)


def _settings(**overrides: Any) -> "Settings":
    from agents.settings import SettingsError, load_settings

    try:
        return load_settings(**overrides)
    except SettingsError as error:
        _fail(error)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="qualm")
def main() -> None:
    """Find what is wrong in a stream of cloud logs.

    \b
    Try it:            qualm demo
    On your own file:  qualm train app.log --out my-bundle
                       qualm replay today.log --bundle my-bundle
    On Kafka:          qualm worker --bundle my-bundle --topics logs
    If in doubt:       qualm doctor
    """


@main.command()
@click.option("--seed", default=7, show_default=True, help="Of the simulated services.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def demo(seed: int, as_json: bool) -> None:
    """Show alerts live, on simulated cloud services with hidden incidents.

    Starts an embedded broker and a real worker; takes about a minute. Exit code 0 only if every event was
    accounted for and the incidents were found.

    \b
    Example:
      qualm demo
    """
    from agents.demo.run import run_demo

    sys.exit(run_demo(seed=seed, as_json=as_json))


@main.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write the bundle to.",
)
@click.option(
    "--labels",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="CSV entity,label[,start] or source,start,end.",
)
@click.option("--seed", default=0, show_default=True, help="Same events, options and seed: same bundle.")
@click.option(
    "--wires",
    default=8,
    show_default=True,
    type=click.IntRange(1, 16),
    help="Qubits of the circuit; more than 12 are not compiled, and slow.",
)
@click.option(
    "--layers",
    default=2,
    show_default=True,
    type=click.IntRange(0, 16),
    help="Trainable layers of the circuit.",
)
@click.option(
    "--preset",
    default="sparse",
    show_default=True,
    type=click.Choice(["sparse", "reuploading", "threshold"]),
    help="Circuit: inputs encoded once, before every layer, or the plain one without weights.",
)
@click.option(
    "--open-wires",
    default=4.0,
    show_default=True,
    type=click.FloatRange(0, 64, min_open=True),
    help="Open wires that the gate is trained to, on average over normal salient events; at most all.",
)
@click.option(
    "--steps",
    default=400,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="Steps of gradient descent.",
)
@click.option(
    "--budget",
    default=0.02,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of events past the prefilter.",
)
@click.option(
    "--false-alarm-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of normal events that may alert; chosen on calibration data when there are labels.",
)
@click.option(
    "--cold", is_flag=True, help="Leave out what was learnt of these very sources, for use on other systems."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@reading_options
def train(
    inputs: tuple[str, ...],
    out: Path,
    labels: Path | None,
    seed: int,
    wires: int,
    layers: int,
    preset: str,
    open_wires: float,
    steps: int,
    budget: float,
    false_alarm_rate: float | None,
    cold: bool,
    as_json: bool,
    **reading: str | None,
) -> None:
    """Train a bundle on logs: files, globs, '-' or kafka://host:port/topic.

    Without labels the logs should be mostly normal; synthetic faults written into them are what is learnt to
    be found. The first 70% by time fit the weights, the rest sets the thresholds. How lines were read is
    remembered in the bundle. 500 events are the least; some ten thousand, over a day or more, are better.

    \b
    Examples:
      qualm train 'logs/*.log.gz' --out my-bundle \\
        --line '<date> <time> <pid> <level> <logger>: <message>' --entity-pattern 'req-[0-9a-f]+'
      qualm train kafka://127.0.0.1:9092/logs --out my-bundle --entity-field request_id
    """
    from agents.inputs.inputs import InputError, Inputs, labels_from
    from agents.progress import progress_bars
    from agents.train import run_training
    from models.bundle import BundleError
    from models.options import TrainingOptions
    from schemas.formats.options import ReadOptions

    how = _reading(ReadOptions(), reading)
    options = TrainingOptions(
        seed=seed,
        wires=wires,
        layers=layers,
        preset=preset,
        open_wires=open_wires,
        steps=steps,
        salience_budget=budget,
        false_alarm_rate=false_alarm_rate,
        cold=cold,
    )
    try:
        with progress_bars(quiet=as_json) as progress:
            known = labels_from(labels)
            bundle = run_training(Inputs(inputs, _settings()), how, known, options, out, progress)
    except (InputError, BundleError, ValueError, OSError) as error:
        _fail(error)
    _say_trained(bundle, out, as_json)


def _say_trained(bundle: "Bundle", out: Path, as_json: bool) -> None:
    from models.scores import ALERTS_BY

    rate, training = bundle.false_alarm_rate, bundle.manifest.training
    smallest = bundle.calibrations[ALERTS_BY].smallest
    if smallest > rate:
        advice = "nothing will alert; give more events, or a higher --false-alarm-rate"
        click.secho(
            f"qualm: so few events give no p-value below {smallest:.2g}: {advice}", fg="yellow", err=True
        )
    if as_json:
        click.echo(
            json.dumps({"bundle": str(out), "digest": bundle.digest, "false_alarm_rate": rate, **training})
        )
        return
    trained = f"trained on {training['events']:,} events, alerts at p <= {rate:.2g}"
    wires = f"{training['open_wires_reached']} of {training['wires']} wires open"
    click.echo(f"Wrote {out} ({bundle.digest[:16]}): {trained}, {wires}.")
    click.echo(f"Next: qualm replay INPUT --bundle {out}")


@main.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "--bundle",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that `qualm train` wrote; without, the default bundle.",
)
@click.option(
    "--labels",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="CSV entity,label[,start] or source,start,end; for the figures alone.",
)
@click.option("--metrics", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures as JSON.")
@click.option(
    "--alerts", type=click.Path(dir_okay=False, path_type=Path), help="Write every alert as a JSON line."
)
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write a page to look at.")
@click.option(
    "--device", default="auto", show_default=True, help="Where circuits run; `qualm doctor` lists what works."
)
@click.option(
    "--false-alarm-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of normal events that may alert; without, the bundle's.",
)
@click.option(
    "--resolve-after",
    default=300.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Seconds without news that resolve an incident.",
)
@click.option(
    "--shots",
    type=click.IntRange(1, 1_000_000),
    help="Estimate circuits from so many shots; name a --device that draws them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON and nothing else.")
@reading_options
def replay(
    inputs: tuple[str, ...],
    bundle: Path | None,
    labels: Path | None,
    metrics: Path | None,
    alerts: Path | None,
    report: Path | None,
    device: str,
    false_alarm_rate: float | None,
    resolve_after: float,
    shots: int | None,
    as_json: bool,
    **reading: str | None,
) -> None:
    """Run files or topics through the worker's own code and say what it found, and how well.

    Nothing on a topic is changed. Lines are read as in training, unless options say otherwise. Labels give
    figures per entity, or per interval, and never change an alert.

    \b
    Examples:
      qualm replay today.log.gz --bundle my-bundle --report report.html
      qualm replay kafka://127.0.0.1:9092/logs --bundle my-bundle --alerts alerts.jsonl
      qualm replay test.log --bundle my-bundle --labels truth.csv --metrics metrics.json
    """
    from agents.cli.replay import ReplayOutputs, run_replay
    from agents.inputs.inputs import InputError, Inputs
    from models.bundle import Bundle, BundleError
    from models.circuits.devices import DeviceError
    from models.options import EvaluateOptions

    try:
        loaded = Bundle.load(bundle) if bundle else Bundle.default()
        how = _reading(loaded.manifest.read_options(), reading)
        outputs = ReplayOutputs(metrics, alerts, report, as_json)
        logs = Inputs(inputs, _settings())
        options = EvaluateOptions(
            device, shots, false_alarm_rate=false_alarm_rate, resolve_after=resolve_after
        )
        run_replay(logs, loaded, how, labels, options, outputs)
    except (InputError, BundleError, DeviceError, ValueError, OSError) as error:
        _fail(error)


@main.command()
@click.option(
    "--role", type=click.Choice(["all", "triage", "evaluate"]), help="Which of the two agents to run."
)
@click.option(
    "--bundle", type=click.Path(file_okay=False, path_type=Path), help="Folder that `qualm train` wrote."
)
@click.option("--broker", help="Kafka brokers, host:port, comma-separated.")
@click.option("--topics", help="Topics with logs, comma-separated.")
@click.option("--device", help="Where circuits run.")
@reading_options
def worker(**given: Any) -> None:
    """Consume logs from Kafka and publish alerts, until SIGTERM.

    Settings come from these options, QUALM_* variables and qualm.toml, in this order; docs/configuration.md
    has all.

    \b
    Examples:
      qualm worker --broker 127.0.0.1:9092 --topics logs --bundle my-bundle
      qualm worker --role evaluate --bundle my-bundle
    """
    settings = _settings(format=given.pop("format_"), **given)
    from agents.worker import run_worker

    sys.exit(run_worker(settings))


@main.command()
@click.option("--seed", default=1, show_default=True, help="Same seed and options, same events.")
@click.option(
    "--duration",
    type=click.FloatRange(0, min_open=True),
    default=600.0,
    show_default=True,
    help="Seconds of event time.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    default=50.0,
    show_default=True,
    help="Events per second of event time, about.",
)
@click.option("--incidents", is_flag=True, help="Hide the incidents of the demo in the logs.")
@click.option("--out", help="File for JSON lines, .gz to compress; '-' for standard output.")
@click.option("--labels", help="File for the truth about the incidents: source,start,end.")
@click.option("--broker", help="Produce to this Kafka instead, in real time: host:port.")
@click.option("--topic", default="logs", show_default=True, help="Topic to produce to.")
def simulate(
    seed: int,
    duration: float,
    rate: float,
    incidents: bool,
    out: str | None,
    labels: str | None,
    broker: str | None,
    topic: str,
) -> None:
    """Write the logs of simulated cloud services to a file or a topic.

    \b
    Examples:
      qualm simulate --out logs.jsonl.gz --incidents --labels truth.csv
      qualm simulate --broker 127.0.0.1:9092 --topic logs
    """
    import time

    from agents.demo import simulation
    from agents.demo.producer import ProduceError, produce

    if (out is None) == (broker is None):
        _fail("give either --out FILE or --broker HOST:PORT")
    if labels and not out:
        _fail("--labels goes with --out: what is produced to a topic has no file beside it")
    start = time.time() if broker else simulation.DEMO_START
    hidden = simulation.demo_incidents(duration) if incidents else ()
    events = simulation.simulate(seed, duration, rate, start, hidden)
    try:
        if broker:
            produce(events, broker, topic)
            return
        truths = simulation.truths(hidden, start)
        simulation.write_file(str(out), events)
        if labels:
            simulation.write_labels(labels, truths)
    except (ProduceError, OSError) as error:
        _fail(error)


@main.command()
@click.argument("what", type=click.Choice(["circuits", "stream", "readout"]))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list and nothing else.")
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
@click.option(
    "--bundle",
    type=click.Path(file_okay=False, path_type=Path),
    help="Bundle that `circuits` and `readout` measure; without, the default bundle.",
)
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
        _fail(error)
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
        events = salient.of_inputs(bundle, Inputs(inputs, _settings()))
    else:
        events = salient.of_simulation(bundle)
    if what == "readout":
        return readout.run(bundle, events)
    with progress_bars(quiet) as progress:
        return circuits.run(bundle, events, progress)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list and nothing else.")
def doctor(as_json: bool) -> None:
    """Say what is installed, which devices work, whether the settings are valid and the broker is there.

    Exit code 0 only if nothing fails. Reads the settings of `qualm worker`.

    \b
    Example:
      QUALM_BROKER=127.0.0.1:9092 qualm doctor
    """
    from dataclasses import asdict

    from agents.doctor import examine

    checks = examine()
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks]))
    else:
        colours = {"ok": "green", "warn": "yellow", "fail": "red"}
        for check in checks:
            click.echo(
                click.style(f"{check.status:5}", fg=colours[check.status]) + f"{check.name}: {check.text}"
            )
            if check.advice and check.status != "ok":
                click.echo(f"      {check.advice}")
    sys.exit(any(check.status == "fail" for check in checks))
