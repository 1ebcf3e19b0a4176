"""The one place that knows how qualm compiles its inner loops."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile to machine code at the first call and keep it beside the source file.

    numba sees a change of the file that holds `function`, not of files it calls into: keep a kernel and its
    helpers in one file.
    """
    return cast(Callable[P, R], numba.njit(cache=True, nogil=True)(function))
