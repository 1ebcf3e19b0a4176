"""A shelf in memory, which a test can look at, damage, and let fail."""

from __future__ import annotations

from collections.abc import Callable, Collection

from agents.state.store import Items, StoreError


class MemoryShelf:
    """Keeps bytes by name and key; ``room`` is how many more records it takes, None for any number."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, bytes]] = {}
        self.room: int | None = None
        self.written = 0  # bytes
        self.readable = True
        self.failed: Callable[[], None] = lambda: None  # told of an attempt to read that fails

    async def put(self, name: str, items: Items) -> None:
        for key, value in items:
            if self.room is not None:
                if not self.room:
                    raise StoreError("full")
                self.room -= 1
            records = self.kept.setdefault(name, {})
            if value is None:
                records.pop(key, None)
            else:
                records[key] = value
                self.written += len(value)

    async def get(self, names: Collection[str]) -> dict[str, dict[str, bytes]]:
        if not self.readable:
            self.failed()
            raise StoreError("away")
        return {name: dict(self.kept[name]) for name in names if name in self.kept}

    async def close(self) -> None:
        """Nothing is held."""
