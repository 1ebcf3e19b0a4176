"""JSON over many lines is read as the documents that it consists of; all other lines are what they were."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.inputs.documents import opens, records
from agents.inputs.files import FileReader

LIMIT = 1 << 20
FIXED = settings(derandomize=True, deadline=None, max_examples=100, database=None)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
DOCUMENTS = st.lists(
    st.dictionaries(st.text(max_size=5), VALUES, min_size=1, max_size=4), min_size=1, max_size=5
)


def batches(content: str, size: int) -> Iterator[list[bytes]]:
    lines = content.encode().splitlines()
    return (lines[i : i + size] for i in range(0, len(lines), size))


def read(content: str, size: int = 3) -> list[tuple[int, bytes]]:
    found = records(batches(content, size), 0, LIMIT)
    return [each for part in found for each in zip(part.numbers, part.records, strict=True)]


@FIXED
@given(DOCUMENTS, st.sampled_from([1, 2, 4, "\t"]), st.integers(1, 9))
def test_documents_one_after_the_other(documents: list[Any], indent: int | str, size: int) -> None:
    texts = [json.dumps(document, indent=indent) for document in documents]
    found = read("\n".join(texts), size)
    assert [json.loads(record) for _, record in found] == documents
    lines = [text.count("\n") + 1 for text in texts]
    assert [number for number, _ in found] == [sum(lines[:i]) for i in range(len(lines))]


@FIXED
@given(DOCUMENTS, st.integers(1, 9))
def test_an_array_is_one_record(documents: list[Any], size: int) -> None:
    ((number, record),) = read(json.dumps(documents, indent=2), size)
    assert (number, json.loads(record)) == (0, documents)


@FIXED
@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line and b"\r" not in line)))
def test_lines_that_begin_otherwise_stay_as_they_are(lines: list[bytes]) -> None:
    found = list(records(iter([[b"plain", *lines]]), 7, LIMIT))
    assert [each for part in found for each in part.records] == [b"plain", *lines]
    assert [each for part in found for each in part.numbers] == list(range(7, 8 + len(lines)))


@pytest.mark.parametrize(
    "line",
    [
        '{"a": 1}', "[2026-01-01 00:00:00] INFO begins {", "[Thu Jun 09 06:07:04 2005] [notice] x,", "{x",
        '[{"a": 1},', "text {", "",
    ],
)  # fmt: skip
def test_what_opens_no_document(line: str) -> None:
    assert not opens(line.encode())


@pytest.mark.parametrize("line", ["{", "[", "[ {", '{"Records": [', '\ufeff{"a": 1,'])
def test_what_opens_one(line: str) -> None:
    assert opens(line.encode())


def test_a_document_that_is_broken_off_is_told_and_one_too_large_is_cut() -> None:
    assert read('{\n "a": 1,\n') == [(0, b'{\n "a": 1,')]
    ((number, record),) = records(batches('{\n "a": "' + "x" * 100 + '"\n}\n', 2), 0, 20)
    assert (number, len(record[0])) == ([0], 20)


def test_a_file_of_documents_and_its_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text('{\n "message": "one"\n}\n\n{\n "message": "two"\n}\n')
    found = [(batch.offsets, batch.values) for batch in FileReader(str(path))]
    assert found == [([0, 4], [b'{\n "message": "one"\n}', b'{\n "message": "two"\n}'])]
