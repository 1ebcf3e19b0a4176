"""Reading files: plain and packed, whole and broken, by name, glob and pipe."""

from __future__ import annotations

import gzip
import io
import os
import sys
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from agents.inputs import files
from agents.inputs.files import BATCH, FileReader, InputError, expand, size


def lines_of(path: Path | str) -> list[bytes | None]:
    return [value for batch in FileReader(str(path)) for value in batch.values]


def packed(content: bytes, how: str) -> bytes:
    if how == ".gz":
        return gzip.compress(content)
    return zstandard.ZstdCompressor(write_checksum=True).compress(content) if how else content


@pytest.mark.parametrize("how", ["", ".gz", ".zst"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\n\r\nb\r\n", [b"a", b"", b"b"]),
        (b"\n", [b""]),
        (b"\xff\x00\n", [b"\xff\x00"]),
    ],
)
def test_lines_are_read_whatever_the_packing_and_the_ends(
    tmp_path: Path, how: str, content: bytes, expected: list[bytes]
) -> None:
    path = tmp_path / "app.log"  # told by content, not by name
    path.write_bytes(packed(content, how))
    assert lines_of(path) == expected


@pytest.mark.parametrize("how", [".gz", ".zst"])
def test_files_packed_in_parts_are_read_to_the_end(tmp_path: Path, how: str) -> None:
    path = tmp_path / f"rotated{how}"
    path.write_bytes(packed(b"a\nb", how) + packed(b"c\n", how) + packed(b"d\n", how))
    assert lines_of(path) == [b"a", b"bc", b"d"]


@pytest.mark.parametrize("how", [".gz", ".zst"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_a_file_that_is_broken_off_is_an_error(tmp_path: Path, how: str, kept: float) -> None:
    path = tmp_path / "broken"
    data = packed(os.urandom(30_000).hex().encode() + b"\n", how)
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InputError, match=r"broken: cannot be read beyond line 0.*give it whole"):
        lines_of(path)


@pytest.mark.parametrize("how", [".gz", ".zst"])
def test_damage_is_an_error(tmp_path: Path, how: str) -> None:
    path = tmp_path / "damaged"
    data = bytearray(packed(os.urandom(30_000).hex().encode(), how))
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        lines_of(path)


def test_an_overlong_line_is_cut_and_the_next_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LINE_LIMIT", 1000)
    monkeypatch.setattr(files, "BLOCK", 64)
    path = tmp_path / "long.log"
    path.write_bytes(b"x" * 5000 + b"\nnext\n" + b"y" * 3000)
    assert lines_of(path) == [b"x" * 1000, b"next", b"y" * 1000]


def test_a_small_file_that_unpacks_to_much_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zst"
    path.write_bytes(zstandard.compress(bytes(200_000_000)))
    assert [len(line or b"") for line in lines_of(path)] == [files.LINE_LIMIT]


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line)), st.integers(1, 50))
def test_lines_do_not_depend_on_blocks(lines: list[bytes], block: int) -> None:
    content = b"\n".join(lines)
    blocks = [content[i : i + block] for i in range(0, len(content), block)]
    got = [line for batch in files._batches(blocks) for line in batch]
    expected = [line.rstrip(b"\r") for line in content.split(b"\n")]
    assert got == (expected[:-1] if not content.split(b"\n")[-1] else expected)


def test_batches_are_bounded_and_offsets_count_lines(tmp_path: Path) -> None:
    path = tmp_path / "many.log"
    path.write_bytes(b"x\n" * (2 * BATCH + 5))
    reader = FileReader(str(path), first_offset=7)
    batches = list(reader)
    assert [len(batch) for batch in batches] == [BATCH, BATCH, 5]
    assert [o for batch in batches for o in batch.offsets] == list(range(7, 7 + 2 * BATCH + 5))
    assert reader.offset == 7 + 2 * BATCH + 5


def test_standard_input_is_read_packed_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for how in ("", ".gz", ".zst"):
        stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(packed(b"a\nb\n", how))))
        monkeypatch.setattr(sys, "stdin", stream)
        assert lines_of("-") == [b"a", b"b"]
    assert size(["-"]) == 0


def test_globs_are_sorted_and_names_with_special_letters_are_taken_as_they_are(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", "x[1].log"):
        (tmp_path / name).write_bytes(b"1\n")
    (tmp_path / "folder.log").mkdir()
    names = [Path(name).name for name in expand([f"{tmp_path}/[ab]*.log", f"{tmp_path}/x[1].log"])]
    assert names == ["a.log", "b.log", "x[1].log"]
    assert expand(["-"]) == ["-"]
    assert size(expand([f"{tmp_path}/?.log"])) == 4


def test_a_pipe_is_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"a\nb\n")
    os.close(writing)
    name = f"/dev/fd/{reading}"
    assert expand([name]) == [name]
    assert lines_of(name) == [b"a", b"b"]
    os.close(reading)


def test_what_is_not_there_is_named_with_advice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.log: no such file; give files, globs"):
        expand([str(tmp_path / "absent.log")])
    with pytest.raises(InputError, match=r"a folder; name its files, for example '.*/\*'"):
        expand([str(tmp_path)])
    with pytest.raises(InputError, match=r"gone.log: cannot be opened: No such file"):
        FileReader(str(tmp_path / "gone.log"))
