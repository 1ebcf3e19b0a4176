"""The one place that knows how qualm compiles its inner loops."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile to machine code at the first call and keep it beside the source file.

    numba compiles anew when the file that holds `function` changes, here when any file beside it does: a
    kernel may call into its neighbours, and into no other folder.
    """
    return _compiled(function, _nrt=True)  # whoever calls it


def jit_in_place(function: Callable[P, R]) -> Callable[P, R]:
    """The same for a function that makes no arrays: those it is given are not counted as references.

    Counting them, an atomic operation for each array of a tuple at each call, took half of the time.
    """
    return _compiled(function, _nrt=False)


def _compiled(function: Callable[P, R], **options: Any) -> Callable[P, R]:
    compiled: Any = numba.njit(cache=True, nogil=True, **options)(function)
    folder = Path(function.__code__.co_filename).parent
    files = sorted((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in folder.glob("*.py"))
    # numba has no public way to say what a cached function depends on; without one it would go on stale code.
    compiled._cache._cache_file._source_stamp = tuple(files)
    return cast(Callable[P, R], compiled)
