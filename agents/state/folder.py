"""Snapshots in a folder: a file for each block and manifest, in a folder for each state."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from agents.state.store import Items, StoreError

__all__ = ["FolderShelf"]

MAX_FILE: Final = 2 * 1024 * 1024  # bytes; larger ones are not ours


class FolderShelf:
    """Keeps bytes in the files of a folder, which several workers may share.

    A file appears as a whole or not at all; files that a crash of the machine left empty are found by their
    digest.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, items: Items) -> None:
        """Write and remove files. Raises StoreError."""
        await asyncio.to_thread(self._put, name, items)

    async def get(self, names: Collection[str]) -> dict[str, dict[str, bytes]]:
        """The files of some names. Raises StoreError."""
        return {name: await asyncio.to_thread(self._get, name) for name in names}

    async def close(self) -> None:
        """Nothing is held open."""

    def _put(self, name: str, items: Items) -> None:
        folder = self._of(name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for key, value in items:
                path = folder / key
                if value is None:
                    path.unlink(missing_ok=True)
                    continue
                started = folder / f"{key}.part"
                with started.open("wb") as file:
                    file.write(value)
                    if key.startswith("m."):
                        file.flush()
                        os.fsync(file.fileno())
                started.replace(path)
        except OSError as error:
            raise StoreError(f"{folder} cannot be written: {error.strerror or error}") from error

    def _get(self, name: str) -> dict[str, bytes]:
        folder = self._of(name)
        found: dict[str, bytes] = {}
        try:
            for path in sorted(folder.iterdir()) if folder.exists() else ():
                with suppress(FileNotFoundError):  # another worker removes what it has written anew
                    if path.suffix != ".part" and path.stat().st_size <= MAX_FILE:
                        found[path.name] = path.read_bytes()
        except OSError as error:
            raise StoreError(f"{folder} cannot be read: {error.strerror or error}") from error
        return found

    def _of(self, name: str) -> Path:
        """The folder of a name: told by its digest, with so much of it that people see whose it is."""
        told = re.sub(r"[^a-zA-Z0-9_-]", "_", name)[-80:]
        return self._folder / f"{told}.{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"
