"""Label files: the spellings people use, and what they are told when theirs is none of them."""

import re
from pathlib import Path

import pytest

from models import labels as labels_module
from models.labels import Labels, read_labels


def read(folder: Path, text: str | bytes) -> Labels:
    path = folder / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(path)


@pytest.mark.parametrize(
    ("verdict", "want"),
    [
        ("0", False),
        ("1", True),
        ("Normal", False),
        ("Anomaly", True),
        ("NO_FAILURE", False),
        ("FAILURE", True),
        ("normal", False),
        (" ANOMALY ", True),
        ("false", False),
        ("True", True),
    ],
)
@pytest.mark.parametrize(
    "header", ["entity,label", "BlockId,Label", "id, label ", "run,LABEL", "\ufeffentity,label"]
)
def test_spellings(tmp_path: Path, header: str, verdict: str, want: bool) -> None:
    assert read(tmp_path, f"{header}\nblk_1,{verdict}\n").entities == {"blk_1": want}


def test_starts_and_intervals(tmp_path: Path) -> None:
    labels = read(tmp_path, "entity,label,start\na,1,2026-01-31T12:00:00Z\nb,0,\nc,1,1769860800.5\n")
    assert labels.entities == {"a": True, "b": False, "c": True}
    assert labels.starts == {"a": 1769860800.0, "c": 1769860800.5}
    labels = read(tmp_path, "source,start,end\ns,1769860800,1769860900\ns,1769870000,1769870000\n")
    assert [
        labels.at_fault("s", t) for t in (1769860799, 1769860800, 1769860900, 1769860901, 1769870000)
    ] == [
        False,
        True,
        True,
        False,
        True,
    ]
    assert not labels.at_fault("other", 1769860850)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 0, "expected the columns"),
        ("name,verdict\na,1\n", 1, "expected the columns"),
        ("entity,label\na,0\nb,perhaps\n", 3, "label 'perhaps' is none of"),
        ("entity,label\na\n", 2, "label None is none of"),
        ("entity,label,start\na,1,soon\n", 2, "'soon' is no time"),
        ("source,start,end\ns,1769860800\n", 2, "expected the columns source,start,end"),
        ("source,start,end\ns,1769860900,1769860800\n", 2, "ends before it starts"),
    ],
)
def test_bad_files_say_where_and_why(tmp_path: Path, text: str, line: int, reason: str) -> None:
    with pytest.raises(ValueError, match=rf"labels\.csv, line {line}: .*{re.escape(reason)}"):
        read(tmp_path, text)


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"labels\.csv: not UTF-8"):
        read(tmp_path, b"entity,label\n\xff\xfe,1\n")


def test_a_file_has_as_many_labels_as_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "_LIMIT", 2)
    path = tmp_path / "labels.csv"
    for header, row in (("entity,label", "e{},1"), ("source,start,end", "s{},1768382000,1768382001")):
        rows = [row.format(i) for i in range(3)]
        path.write_text("\n".join([header, *rows[:2]]))
        found = read_labels(path)
        assert len(found.entities) + len(found.intervals) == 2
        path.write_text("\n".join([header, *rows]))
        with pytest.raises(ValueError, match=r"labels\.csv, line 4: more than 2 labels"):
            read_labels(path)


def test_a_label_without_an_entity_is_none(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("name,label\nx,1\n")
    with pytest.raises(ValueError, match="expected the columns"):
        read_labels(path)


def test_contradictions_name_both_lines_and_repetitions_are_none(tmp_path: Path) -> None:
    assert read(tmp_path, "entity,label\na,1\nb,0\na,anomaly\n").entities == {"a": True, "b": False}
    want = (
        r"labels\.csv, line 4: entity 'a' is labelled 'Normal', and the opposite in line 2; keep one of them"
    )
    with pytest.raises(ValueError, match=want):
        read(tmp_path, "entity,label\na,1\nb,0\na,Normal\n")


def test_labels_that_name_nothing_are_listed_with_what_may_be_meant() -> None:
    entities = Labels(entities={"blk_1": True, "blk_2": False, "nobody": True})
    assert entities.unmatched(["blk_1", "blk_2", "nobody"]) == ""
    assert entities.unmatched(["blk_1", "blk_2"]) == (
        "1 of 3 labels name no entity of these events: 'nobody'"
    )
    sources = Labels(intervals={name: [(0.0, 1.0)] for name in ("paymnet", "x", "y", "z", "cart")})
    assert sources.unmatched({"payment": 1, "cart": 2}) == (
        "4 of 5 labels name no source of these events: 'paymnet' (is 'payment' meant?), 'x', 'y' and 1 more"
    )
