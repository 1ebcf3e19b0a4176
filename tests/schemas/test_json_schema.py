"""The committed JSON Schemas are those of the code."""

from pathlib import Path

import pytest

from schemas.json_schema import DIRECTORY, documents, render, write


@pytest.mark.parametrize("name", documents())
def test_the_committed_schema_is_true(name: str) -> None:
    committed = (DIRECTORY / name).read_text(encoding="utf-8")
    assert committed == render(documents()[name]), "run python -m schemas.json_schema"


def test_there_is_a_schema_per_kind_of_record(tmp_path: Path) -> None:
    write(tmp_path)
    of_salient, of_suspicious = ("salient", "watermark"), ("suspicious", "unusual")
    kinds = ("log_event", *of_salient, *of_suspicious, "alert", "dead_letter")
    names = {f"{name}.schema.json" for name in kinds}
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in DIRECTORY.iterdir()} == names


def test_every_field_is_described() -> None:
    for name in ("log_event", "salient", "watermark", "suspicious", "unusual", "alert", "dead_letter"):
        for field, schema in documents()[f"{name}.schema.json"]["properties"].items():
            assert schema.get("description"), f"{name}.{field}"
