"""`qualm doctor`: is everything there, valid and reachable."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from agents.cli import options

if TYPE_CHECKING:
    from agents.check import Check


@click.command(short_help="Check installation, settings, broker, topics.")
@options.as_json
def doctor(as_json: bool) -> None:
    """Say what is installed, whether settings, bundle and broker fit together, what the topics hold, and
    which devices work.

    Exit code 0 only if nothing fails. Reads the settings of `qualm worker`, and the latest records of its
    topics; nothing on the broker changes.

    \b
    Example:
      QUALM_BROKER=127.0.0.1:9092 qualm doctor
    """
    from agents.doctor import examine

    if as_json:
        checks = list(examine())
        click.echo(json.dumps([asdict(check) for check in checks]))
    else:
        checks = []
        for check in examine(wait=lambda text: click.secho(f"...  {text}", dim=True, err=True)):
            checks.append(check)
            _show(check)
    sys.exit(any(check.status == "fail" for check in checks))


def _show(check: "Check") -> None:
    """A line as soon as it is known, and what to do under it."""
    colour = {"ok": "green", "warn": "yellow", "fail": "red"}[check.status]
    click.echo(click.style(f"{check.status:5}", fg=colour) + f"{check.name}: {check.text}")
    if check.advice and check.status != "ok":
        click.echo(f"      {check.advice}")
    sys.stdout.flush()
