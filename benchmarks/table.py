"""Bench results as a table in the terminal."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table


def show(rows: list[dict[str, Any]]) -> None:
    """One line per result, one column per key; what it is called stays whole on a narrow terminal."""
    if not rows:
        return
    table = Table(box=box.SIMPLE_HEAD)
    for i, (name, value) in enumerate(rows[0].items()):
        is_number = not isinstance(value, str)
        table.add_column(name.replace("_", " "), justify="right" if is_number else "left", no_wrap=i == 0)
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console().print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)
