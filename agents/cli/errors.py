"""How a command fails, and how it warns: one clear line on standard error; and the exit codes."""

import sys
from typing import NoReturn

import click

FAILED = 1
WRONG = 2  # as click has it: what was asked for cannot be, by option, setting or bundle


def fail(message: object, code: int = FAILED) -> NoReturn:
    """End the command, saying why and what to do."""
    click.secho(f"qualm: {message}", fg="red", err=True)
    sys.exit(code)


def warn(message: str) -> None:
    """Say something that a person should know, and go on."""
    clean = "".join(letter if letter.isprintable() else " " for letter in message)
    click.secho(f"qualm: {clean}", fg="yellow", err=True)
