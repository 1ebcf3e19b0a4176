"""What `qualm inspect` and `qualm init` share: a look at inputs, and commands on them to run next."""

import shlex
from typing import TYPE_CHECKING

from agents.cli import options
from agents.cli.errors import fail

if TYPE_CHECKING:
    from agents.inspection import Inspection
    from schemas.formats.options import ReadOptions


def nothing_read(found: "Inspection") -> str:
    """Why inputs have no events."""
    if not found.records:
        return "the input holds no records; is it the right file or topic?"
    return f"none of the {found.records:,} records could be read as a log event; check --format and --line"


def looked_at(inputs: tuple[str, ...], reading: "ReadOptions") -> "Inspection":
    """What inputs hold; ends the command where they cannot be read."""
    from agents.inputs.inputs import InputError, Inputs
    from agents.inspection import MOST_RECORDS
    from agents.inspection import inspect as look

    try:
        return look(Inputs(inputs, options.settings(), MOST_RECORDS), reading)
    except (InputError, ValueError, OSError) as error:
        fail(error)


def command(name: str, inputs: tuple[str, ...], reading: "ReadOptions", *more: str) -> str:
    """A command line on the same inputs, read alike, to copy into a shell."""
    said = {key: value for key, value in reading.remembered().items() if value and value != "auto"}
    read = [part for key, value in said.items() for part in (f"--{key.replace('_', '-')}", str(value))]
    return shlex.join(["qualm", name, *inputs, *more, *read, *registry(reading)])


def registry(reading: "ReadOptions") -> list[str]:
    """The option that names the schema registry, which no bundle remembers; none where there is none."""
    from agents.kafka.schema_registry import address_of

    address = address_of(reading.schema_of)
    return ["--schema-registry", address] if address else []
