"""`qualm doctor`: is everything there, valid and reachable."""

import json
import sys
from dataclasses import asdict

import click

from agents.cli import options


@click.command()
@options.as_json
def doctor(as_json: bool) -> None:
    """Say what is installed, which devices work, whether the settings are valid and the broker is there.

    Exit code 0 only if nothing fails. Reads the settings of `qualm worker`.

    \b
    Example:
      QUALM_BROKER=127.0.0.1:9092 qualm doctor
    """
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
