"""What one look of `qualm doctor` found."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Check"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    status: Literal["ok", "warn", "fail"]
    name: str
    text: str
    # What to do about it; empty when there is nothing to do.
    advice: str = ""
