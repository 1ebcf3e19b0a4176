"""`qualm worker`: from a topic with logs to a topic with alerts, until it is told to stop."""

import sys
from typing import Any

import click

from agents.cli import options
from agents.cli.errors import FAILED, WRONG, fail


@click.command(short_help="Read logs from Kafka, publish alerts.")
@click.option("--role", type=click.Choice(["all", "triage", "evaluate"]), help="Which of its agents to run.")
@options.bundle
@click.option("--broker", help="Kafka brokers, host:port, comma-separated.")
@click.option("--topics", help="Topics with logs, comma-separated.")
@click.option("--device", help="Where circuits run.")
@options.reading
def worker(**given: Any) -> None:
    """Consume logs from Kafka and publish alerts, until SIGTERM.

    Settings come from these options, QUALM_* variables and qualm.toml, in this order; docs/configuration.md
    has all. Lines are read as the bundle was trained, unless settings say otherwise.

    \b
    Examples:
      qualm worker --broker 127.0.0.1:9092 --topics logs --bundle my-bundle
      qualm worker --role evaluate --bundle my-bundle
    """
    settings = options.settings(**given)
    from agents.kafka.admin import BrokerError, BrokerRefusedError
    from agents.process import run_worker
    from agents.settings import SettingsError
    from models.bundle import BundleError
    from models.circuits.devices import DeviceError

    try:
        sys.exit(run_worker(settings))
    except BrokerError as error:
        fail(error, WRONG if isinstance(error, BrokerRefusedError) else FAILED)
    except (SettingsError, BundleError, DeviceError) as error:
        fail(f"{error}; `qualm doctor` examines all settings", WRONG)
