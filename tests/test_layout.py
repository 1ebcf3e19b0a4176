"""The layout that the design promises: one-way imports, light starts, no pickle, a bundle in the package."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.bundle import Bundle

ROOT = Path(__file__).parent.parent
ORDER = ("schemas", "models", "agents", "benchmarks")  # each may import those before it, and itself
SUBROOMS = (
    "schemas.formats", "models.context", "models.circuits", "models.heads", "models.int8", "models.training",
    "agents.kafka", "agents.inputs", "agents.state", "agents.cli", "agents.demo",
)  # fmt: skip
KAFKA = {"aiokafka", "confluent_kafka", "faust", "kafka", "mode", "socket"}
PICKLE = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def sources(room: str) -> list[Path]:
    found = sorted((ROOT / room).rglob("*.py"))
    assert found
    return found


def imports(path: Path) -> Iterator[str]:
    """Full names of what a file imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute here"
            yield node.module or ""


def module(path: Path) -> str:
    """Its name: that of the package for an __init__."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for room in ORDER for path in sources(room)}


def used_by(name: str) -> set[str]:
    """Modules of ours that a module imports, at any depth of its code."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inside & MODULES.keys()) or {str(node.module)}
    return (found & MODULES.keys()) - {name}


USED = {name: used_by(name) for name in MODULES}


def room_of(name: str) -> str:
    """The room inside a room that a module is in, or the outer room."""
    return next((room for room in SUBROOMS if f"{name}.".startswith(f"{room}.")), name.split(".")[0])


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """Some circle of arrows, empty when there is none."""
    left = {name: set(targets) for name, targets in arrows.items()}
    while ends := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in ends:
            del left[name]
    path = [next(iter(left))] if left else []
    while path and path[-1] not in path[:-1]:
        path.append(next(iter(left[path[-1]] & left.keys())))
    return path


def test_every_package_is_looked_at() -> None:
    packages = {path.parent.relative_to(ROOT) for path in ROOT.glob("[a-z]*/**/__init__.py")}
    packages = {path for path in packages if path.parts[0] not in {"tests", "build", "mutants"}}
    assert {".".join(path.parts) for path in packages} == {*ORDER, *SUBROOMS}


@pytest.mark.parametrize("room", ORDER)
def test_imports_point_one_way(room: str) -> None:
    allowed = set(ORDER[: ORDER.index(room) + 1])
    for name in MODULES:
        if name.split(".")[0] == room:
            top = {used.split(".")[0] for used in imports(MODULES[name])} & {*ORDER, "tests"}
            assert top <= allowed, name


def test_nothing_in_agents_imports_the_command_line_or_the_demo_but_they() -> None:
    for name, used in USED.items():
        rooms = {room_of(each) for each in used}
        if name.startswith("agents."):
            assert "agents.cli" not in rooms or room_of(name) == "agents.cli", name
            assert "agents.demo" not in rooms or room_of(name) in ("agents.cli", "agents.demo"), name


def test_no_imports_go_in_a_circle() -> None:
    assert circle(USED) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}})[-1] in {"b", "c"}


def test_no_two_rooms_need_each_other() -> None:
    arrows: dict[str, set[str]] = {room: set() for room in SUBROOMS}
    for name, used in USED.items():
        if room_of(name) in arrows:
            arrows[room_of(name)] |= {room_of(each) for each in used} & set(SUBROOMS) - {room_of(name)}
    assert circle(arrows) == []


def test_every_package_says_what_is_in_it_and_where_to_start() -> None:
    for room in (*ORDER, *SUBROOMS):
        docstring = ast.get_docstring(ast.parse(MODULES[room].read_text(encoding="utf-8"))) or ""
        assert "Start at `" in docstring, room
        first = docstring.split("Start at `")[1].split("`")[0]
        assert (MODULES[room].parent / first).is_file(), f"{room}: {first}"


def test_no_file_and_no_function_is_long_without_a_reason() -> None:
    for name, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        assert len(text.splitlines()) <= 400 or "\nLong because" in (ast.get_docstring(tree) or ""), name
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                docstring = ast.get_docstring(node) or ""
                lines = (node.end_lineno or 0) - node.lineno - len(docstring.splitlines())
                assert lines <= 60, f"{name}.{node.name}"


@pytest.mark.parametrize("room", ["schemas", "models"])
def test_schemas_and_models_know_nothing_of_kafka(room: str) -> None:
    for path in sources(room):
        assert not {name.split(".")[0] for name in imports(path)} & KAFKA, path


@pytest.mark.parametrize("room", ["schemas", "models", "agents", "benchmarks"])
def test_no_pickle_anywhere(room: str) -> None:
    for path in sources(room):
        assert not {name.split(".")[0] for name in imports(path)} & PICKLE, path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                assert (owner, node.func.attr) not in {("torch", "load"), ("torch", "save")}, path
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant), path
                assert node.value.value is False, path


def loaded(code: str, heavy: set[str]) -> set[str]:
    """Those of some modules that a fresh interpreter has loaded after the code."""
    script = f"import sys\n{code}\nprint('LOADED', *sorted({heavy!r} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return set(done.stdout.rsplit("LOADED", 1)[1].split())


def test_triage_needs_neither_torch_nor_pennylane() -> None:
    code = (
        "import agents.triage, models.detector\n"
        "models.detector.Triage(models.detector.Bundle.default(), 't', 0)"
    )
    assert loaded(code, {"torch", "pennylane"}) == set()


def test_help_is_light() -> None:
    code = (
        "from agents.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert not end.code, end.code"
    )
    assert loaded(code, {"torch", "pennylane", "faust", "onnxruntime", "numba"}) == set()


def test_the_default_bundle_loads_and_holds_no_pickle() -> None:
    bundle = Bundle.default()
    assert bundle.digest
    assert {path.suffix for path in (ROOT / "models" / "default_bundle").iterdir()} <= {
        ".json", ".onnx", ".safetensors",
    }  # fmt: skip
