"""Snapshots of states: written piece by piece, kept for two generations, the newest intact one taken up.

A snapshot is a state and its position: the offset behind the last record that was taken in, whose whole
outcome is acknowledged. Since the same records give the same results, every such pair is right, and an older
one only costs reading more again. What this file takes care of:

- A manifest is written after all blocks that it names are there, and a block is removed only after the
  manifests that do without it are there. So a snapshot that was begun and never finished does no harm.
- A writer keeps two generations, which share no record: whichever record is damaged, one of them is intact. A
  snapshot writes the blocks that changed since the last but one.
- Each writer has names of its own for what it writes, so that one that was thought dead and goes on (a
  process that was stopped for a while) damages nothing but its own.
- Who takes a partition over writes everything anew, and removes what it found when two snapshots of its own
  stand.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from agents.state.blocks import DamagedError, Manifest, pack, unpack

__all__ = ["Found", "Items", "Shelf", "Snapshot", "Store", "StoreError", "Written"]

GENERATIONS: Final = 2
_KEY: Final = re.compile(r"m\.([0-9a-f]{16}\.[0-9])|b\.[0-9a-f]{16}\.[0-9]\.[0-9a-f]{32}")
Items = Sequence[tuple[str, bytes | None]]  # what to put under which key; None removes


class StoreError(Exception):
    """What is kept cannot be read or written; the text says why."""


class Shelf(Protocol):
    """Where bytes are kept, by name and key: a topic or a folder. Keys are of [a-z0-9.]."""

    async def put(self, name: str, items: Items) -> None:
        """Write and remove, in this order; returns when it will survive this process. Raises StoreError."""

    async def get(self, names: Collection[str]) -> Mapping[str, Mapping[str, bytes]]:
        """Everything that is kept, by name and key; nothing for a name that is unknown. Raises StoreError."""

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state as bytes, its position, and what it can be taken up by."""

    position: int
    made_with: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """What a snapshot cost: blocks in all and those written, compressed bytes, seconds of computing."""

    blocks: int
    new: int
    size: int
    seconds: float


@dataclass(slots=True)
class _Writer:
    """What one writer knows of its own records under a name.

    token: in all its keys; turn: which of its generations is the next to be replaced; kept: digests of the
    blocks of each that are there for sure; written: keys that may be there; before: keys of others, found
    when it began; count: of its snapshots.
    """

    token: str = field(default_factory=lambda: secrets.token_hex(8))
    turn: int = 0
    kept: list[set[str]] = field(default_factory=lambda: [set() for _ in range(GENERATIONS)])
    written: set[str] = field(default_factory=set)
    before: set[str] = field(default_factory=set)
    count: int = 0

    def block(self, name: str) -> str:
        """The key of a block of the next snapshot."""
        return f"b.{self.token}.{self.turn}.{name}"

    def manifest(self) -> str:
        """The key of the next manifest."""
        return f"m.{self.token}.{self.turn}"

    def succeeded(self, names: Collection[str]) -> list[str]:
        """Note that a manifest over these blocks is there; returns the keys that nobody needs any more."""
        needed = {self.block(name) for name in names} | {self.manifest()}
        same = f".{self.token}.{self.turn}"
        gone = {key for key in self.written - needed if key[1:].startswith(same)}
        self.kept[self.turn] = set(names)
        self.turn = (self.turn + 1) % GENERATIONS
        self.count += 1
        if self.count >= GENERATIONS:
            gone |= self.before
        return sorted(gone)

    def removed(self, keys: Collection[str]) -> None:
        """Note that keys are there no more."""
        self.written.difference_update(keys)
        self.before.difference_update(keys)


class Found:
    """What a shelf has under one name: snapshots, the newest first."""

    def __init__(self, records: Mapping[str, bytes], refuse: Callable[[str], None]) -> None:
        """refuse: told why a snapshot cannot be used."""
        self._records = records
        self._refuse = refuse

    def __iter__(self) -> Iterator[Snapshot]:
        """Intact snapshots, the highest position first; each is put together when it is asked for."""
        manifests: list[tuple[int, str, Manifest]] = []
        for key, value in sorted(self._records.items()):
            if (match := _KEY.fullmatch(key)) and match.group(1):
                try:
                    manifest = Manifest.decode(value)
                except DamagedError as error:
                    self._refuse(str(error))
                else:
                    manifests.append((manifest.position, match.group(1), manifest))
        for position, token, manifest in sorted(manifests, key=lambda each: each[0], reverse=True):
            try:
                data = self._data(token, manifest)
            except DamagedError as error:
                self._refuse(f"of position {position}: {error}")
            else:
                yield Snapshot(position, manifest.made_with, data)

    def _data(self, token: str, manifest: Manifest) -> bytes:
        parts: list[bytes] = []
        size = 0
        for name in manifest.blocks:
            value = self._records.get(f"b.{token}.{name}")
            if value is None:
                raise DamagedError("a block of it is missing")
            parts.append(unpack(name, value))
            size += len(parts[-1])
            if size > manifest.size:
                break
        if size != manifest.size:
            raise DamagedError("its blocks are not of the size told")
        return b"".join(parts)


class Store:
    """Keeps snapshots by name on a shelf. One at a time is written."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._writers: dict[str, _Writer] = {}

    async def load(self, names: Collection[str], refuse: Callable[[str, str], None]) -> dict[str, Found]:
        """What is kept under each of the names, and a new writer for it.

        Args:
            names: of the states.
            refuse: told the name and why a snapshot of it cannot be used, when it is come to.

        Raises:
            StoreError: nothing can be read.
        """
        kept = await self._shelf.get(names)
        found: dict[str, Found] = {}
        for name in names:
            records = kept.get(name, {})
            self.start_afresh(name)
            self._writers[name].before.update(key for key in records if _KEY.fullmatch(key))
            found[name] = Found(records, partial(refuse, name))
        return found

    def start_afresh(self, name: str) -> None:
        """Write everything anew from now on: somebody else may have removed what was written."""
        old = self._writers.get(name, _Writer())
        self._writers[name] = _Writer(before=old.written | old.before)

    async def save(self, name: str, snapshot: Snapshot) -> Written:
        """Write a snapshot; returns when it would be found.

        Raises:
            StoreError: it cannot be written, and what was there before still stands.
        """
        writer = self._writers.setdefault(name, _Writer())
        began = time.monotonic()
        names, new = await asyncio.to_thread(pack, snapshot.data, frozenset(writer.kept[writer.turn]))
        took = time.monotonic() - began
        manifest = Manifest(snapshot.position, snapshot.made_with, len(snapshot.data), names)
        try:
            value = manifest.encode()
        except ValueError as error:
            raise StoreError(str(error)) from error
        writer.written.update(map(writer.block, new))
        await self._shelf.put(name, [(writer.block(each), packed) for each, packed in new.items()])
        writer.kept[writer.turn].update(new)
        key = writer.manifest()
        writer.written.add(key)
        await self._shelf.put(name, [(key, value)])
        gone = writer.succeeded(names)
        await self._shelf.put(name, [(each, None) for each in gone])
        writer.removed(gone)
        return Written(len(names), len(new), sum(map(len, new.values())) + len(value), took)

    async def close(self) -> None:
        """Let go of the shelf."""
        await self._shelf.close()
