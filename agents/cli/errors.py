"""How a command fails: one clear line on standard error, exit code 1."""

import sys
from typing import NoReturn

import click


def fail(message: object) -> NoReturn:
    """End the command, saying why and what to do."""
    click.secho(f"qualm: {message}", fg="red", err=True)
    sys.exit(1)
