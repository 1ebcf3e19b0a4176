"""Bench results as a table in the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table


def show(rows: list[dict[str, Any]]) -> None:
    """One line per result, one column per key."""
    if not rows:
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console().print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)
