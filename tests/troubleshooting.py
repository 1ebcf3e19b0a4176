"""docs/troubleshooting.md for tests: what a command says is on the page, and what is there is said."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "troubleshooting.md"


def rows() -> list[str]:
    """The messages of the page, with … for what varies."""
    return re.findall(r"^\| `(.+?)` \|", PAGE.read_text(encoding="utf-8"), re.M)


def says(output: str, row: str) -> None:
    """Hold an output against a row of the page, given word by word."""
    assert row in rows(), f"no row of {PAGE.name}: {row}"
    pattern = ".*".join(re.escape(part) for part in row.split("…"))
    flat = re.sub(r"\s+", " ", output)
    assert re.search(pattern, flat), f"{row!r} is not in {output!r}"


def said() -> set[str]:
    """The rows that some test holds an output against: the second argument of each call of says."""
    found: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "says":
                found.add(ast.literal_eval(node.args[1]))
    return found
