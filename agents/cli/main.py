"""`qualm`: the group of all commands. One file a command; each imports what is heavy only when it runs."""

from importlib.metadata import EntryPoint, entry_points

import click

from agents.cli.demo import demo
from agents.cli.dlq import dlq
from agents.cli.doctor import doctor
from agents.cli.errors import fail
from agents.cli.explain import explain
from agents.cli.init import init
from agents.cli.inspect import inspect
from agents.cli.replay import replay
from agents.cli.simulate import simulate
from agents.cli.tail import tail
from agents.cli.train import train
from agents.cli.worker import worker

PLUGINS = "qualm.commands"
"""Entry points of this group are commands that other packages bring, such as `bench` of benchmarks."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="qualm")
def main() -> None:
    """Find what is wrong in a stream of cloud logs.

    \b
    Try it:            qualm demo
    On your own file:  qualm inspect app.log
                       qualm train app.log --out my-bundle
                       qualm replay today.log --bundle my-bundle
    On Kafka:          qualm init kafka://127.0.0.1:9092/logs
                       qualm worker --bundle my-bundle --topics logs
    If in doubt:       qualm doctor

    \b
    Exit codes: 0 it is done; 1 it could not be, or a check failed; 2 what was
    asked for cannot be: an option, a setting, a bundle or device of a worker.
    The last line on standard error says why, and what to do.

    Shell completion: eval "$(_QUALM_COMPLETE=bash_source qualm)"; zsh_source and
    fish_source likewise.
    """


def add_plugin(group: click.Group, plugin: EntryPoint) -> None:
    """Add the command of an entry point; nothing where its package was left out of this installation.

    One that cannot be loaded for another reason says so when it is called, and stops no other command.
    """
    try:
        group.add_command(plugin.load())
    except Exception as error:  # whatever another package does wrong
        if isinstance(error, ModuleNotFoundError) and error.name == plugin.module.split(".")[0]:
            return
        reason = f"{plugin.name} cannot be loaded from {plugin.value}: {error}"
        group.add_command(click.Command(plugin.name, callback=lambda: fail(reason), help=reason))


for command in (demo, inspect, init, train, replay, explain, worker, tail, dlq, simulate, doctor):
    main.add_command(command)
for found in entry_points(group=PLUGINS):
    add_plugin(main, found)
