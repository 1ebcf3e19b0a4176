"""`qualm simulate`: logs to try things on."""

import time

import click

from agents.cli.errors import fail


@click.command(short_help="Write logs of simulated services.")
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
    from agents.demo import simulation
    from agents.demo.producer import ProduceError, produce

    if (out is None) == (broker is None):
        fail("give either --out FILE or --broker HOST:PORT")
    if labels and not out:
        fail("--labels goes with --out: what is produced to a topic has no file beside it")
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
        fail(error)
