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
    compiled: Any = numba.njit(cache=True, nogil=True)(function)
    folder = Path(function.__code__.co_filename).parent
    files = sorted((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in folder.glob("*.py"))
    # numba has no public way to say what a cached function depends on; without one it would go on stale code.
    compiled._cache._cache_file._source_stamp = tuple(files)
    return cast(Callable[P, R], compiled)
