"""How a command fails: one clear line on standard error, and an exit code, mostly 1."""

import sys
from typing import NoReturn

import click


def fail(message: object, code: int = 1) -> NoReturn:
    """End the command, saying why and what to do."""
    click.secho(f"qualm: {message}", fg="red", err=True)
    sys.exit(code)
