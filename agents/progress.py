"""Progress bars on standard error for long work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def progress_bars(quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """A function (stage, done, total) that shows one bar per stage; total 0 is unknown."""
    share = TextColumn("{task.percentage:>3.0f}%")
    columns = (TextColumn("{task.description:>10}"), BarColumn(), share, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bars:
        tasks: dict[str, int] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = int(bars.add_task(stage, total=total or None))
            bars.update(tasks[stage], completed=done, total=total or None)  # type: ignore[arg-type]  # a TaskID is an int

        yield report
