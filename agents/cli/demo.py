"""`qualm demo`: everything at once, on this machine alone."""

import sys

import click

from agents.cli import options


@click.command(short_help="Show alerts live on simulated services.")
@click.option("--seed", default=7, show_default=True, help="Of the simulated services.")
@options.as_json
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
