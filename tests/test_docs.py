"""What the documentation names is there: files, modules, targets of make, rooms in the picture."""

import re
from pathlib import Path

import pytest

from tests.test_layout import MODULES, ORDER, SUBROOMS
from tests.troubleshooting import rows, said

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]

FIRST_DOORS = (("schemas", "events"), ("models", "detector"), ("agents", "triage"), ("benchmarks", "command"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    rooms = "|".join([*ORDER, "tests", "docs", "deploy"])
    named = set(re.findall(rf"`((?:{rooms})/[\w./]*)`", text))
    linked = {path.partition("#")[0] for path in re.findall(r"\]\((?!https?:)([^)]+)\)", text)}
    for path in named:
        assert (ROOT / path).exists(), path
    for path in linked - {""}:
        assert (page.parent / path).exists(), path
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(re.findall(r"`(test_\w+\.py)`", text)) <= tests


@pytest.mark.parametrize("page", [*PAGES, ROOT / "Makefile"], ids=lambda page: page.name)
def test_modules_that_a_page_runs_are_there(page: Path) -> None:
    for name in re.findall(r"python -m ([\w.]+)", page.read_text(encoding="utf-8")):
        if name.split(".")[0] in ORDER:
            assert name in MODULES, name
            assert "__main__" in MODULES[name].read_text(encoding="utf-8"), (
                f"{name} does nothing when it is run"
            )


def test_targets_that_a_page_names_are_targets_of_make() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z]+)`|^make ([a-z]+)\b", page.read_text(encoding="utf-8"), re.M))
        assert {name for pair in named for name in pair if name} <= targets, page.name


def test_the_picture_has_every_room() -> None:
    picture = (ROOT / "docs" / "house.svg").read_text(encoding="utf-8")
    shown = set(re.findall(r">(\w+)/</text>", picture))
    assert shown == {*ORDER, *(room.split(".")[1] for room in SUBROOMS)}


def test_the_picture_names_no_file_that_is_gone() -> None:
    lines = (ROOT / "docs" / "house.svg").read_text(encoding="utf-8").splitlines()
    room, inside, named = "", False, set()
    for text in (match[1] for line in lines if (match := re.search(r">([^<]+)</text>", line))):
        if text.endswith("/"):
            room, inside = (text[:-1], False) if text[:-1] in ORDER else (room, True)
        elif not inside and room and re.fullmatch(r"\w+(, \w+)+,?", text):
            named |= {f"{room}.{name}" for name in text.rstrip(",").split(", ")}
    assert {f"{first}.{second}" for first, second in FIRST_DOORS} <= named
    assert named <= MODULES.keys()


def test_what_the_troubleshooting_page_has_is_provoked_by_a_test() -> None:
    assert len(rows()) == len(set(rows())) > 30
    assert set(rows()) == said()
