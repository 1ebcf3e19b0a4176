"""The tables of a context as arrays, for bundles and snapshots; checked when they are read."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.context import tables
from models.context.clocks import Clocks
from models.context.tables import Records, State

Arrays = dict[str, NDArray[np.generic]]


def dump(state: State, names: Sequence[str]) -> Arrays:
    """The tables of these names, and the clock, as compact arrays."""
    arrays: Arrays = {"clock": state.clock.view(np.uint8).copy()}
    for name in names:
        table = getattr(state, name)
        slots = np.flatnonzero(table["key"])
        arrays[f"{name}.slots"] = slots.astype(np.int32)
        arrays[f"{name}.records"] = table[slots].view(np.uint8).reshape(len(slots), table.itemsize)
    return arrays


def restore(
    state: State, names: Sequence[str], arrays: Mapping[str, NDArray[np.generic]], timed: bool = True
) -> None:
    """Tables and clock from what `dump` wrote.

    timed: whether the clock must have seen a time; before, its watermark is NaN, and its tick may be. Raises
    ValueError for arrays of other shapes or values.
    """
    for name in names:
        table = getattr(state, name)
        slots, records = arrays.get(f"{name}.slots"), arrays.get(f"{name}.records")
        if slots is None or records is None or slots.dtype != np.int32 or slots.ndim != 1:
            raise ValueError(f"context table {name} is missing")
        if records.dtype != np.uint8 or records.shape != (len(slots), table.itemsize):
            raise ValueError(f"context table {name} is of another version")
        if len(slots) and (slots.min() < 0 or slots.max() >= len(table)):
            raise ValueError(f"context table {name} does not fit")
        table[slots] = as_records(name, records, table.dtype)
    state.share_kinds[:] = state.shares["kind"]
    clock = arrays.get("clock")
    if clock is None or clock.dtype != np.uint8 or clock.shape != (tables.CLOCK.itemsize,):
        raise ValueError("context clock is missing or of another version")
    told = clock.reshape(1, -1).copy()
    record = told.view(tables.CLOCK)[0, 0]
    unseen = [name for name in ("watermark", "tick") if not timed and np.isnan(record["watermark"])]
    times = [record[name] for name in unseen]
    for name in unseen:
        record[name] = 0.0
    state.clock[:] = as_records("clock", told, tables.CLOCK)
    for name, time in zip(unseen, times, strict=True):
        state.clock[name] = np.nan if np.isnan(time) else 0.0
    speakers = np.flatnonzero(state.sources["key"])
    state.speakers[: len(speakers)] = speakers
    state.clock["speakers"] = len(speakers)


def dump_clocks(clocks: Clocks) -> Arrays:
    """The clocks of a stream as arrays."""
    return {f"clocks.{name}": _bytes(table) for name, table in clocks._asdict().items()}


def restore_clocks(clocks: Clocks, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Clocks from what `dump_clocks` wrote. Raises ValueError for arrays of other shapes."""
    for name, table in clocks._asdict().items():
        records = arrays.get(f"clocks.{name}")
        if records is None or records.dtype != np.uint8 or records.shape != _bytes(table).shape:
            raise ValueError(f"clocks of {name} are missing or of another version")
        table[:] = np.ascontiguousarray(records).view(table.dtype).reshape(-1)


def _bytes(table: Records) -> NDArray[np.uint8]:
    records: NDArray[np.uint8] = table.view(np.uint8).reshape(len(table), table.itemsize).copy()
    return records


def as_records(name: str, records: NDArray[np.generic], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """Records from their bytes (n, itemsize). Raises ValueError for numbers that no stream gives."""
    table = np.ascontiguousarray(records).view(dtype).reshape(-1)
    for values in _numbers(table):
        if not np.isfinite(values).all():
            raise ValueError(f"context table {name} holds values that are no finite numbers")
    return table


def _numbers(table: NDArray[np.void]) -> Iterator[NDArray[np.floating]]:
    for name in table.dtype.names or ():
        column = table[name]
        if column.dtype.names:
            yield from _numbers(column)
        elif np.issubdtype(column.dtype, np.floating):
            yield column
