"""The layout that the design promises: one-way imports, light starts, no pickle, a bundle in the package."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.bundle import Bundle

ROOT = Path(__file__).parent.parent
ROOMS = {"schemas": {"schemas"}, "models": {"schemas", "models"}, "agents": {"schemas", "models", "agents"}}
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


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(room: str) -> None:
    rooms = {"schemas", "models", "agents", "tests"}
    for path in sources(room):
        used = {name.split(".")[0] for name in imports(path)} & rooms
        assert used <= ROOMS[room], path


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
