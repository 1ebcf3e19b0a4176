"""How a worker logs: one line per message on stderr, and a broker that is away does not flood it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from aiokafka.errors import KafkaError

# A message that repeats is shown once in this many seconds, with the number left out since.
REPEAT_SECONDS = 30.0
# Libraries that log several lines a second while the broker is away.
NOISY = ("aiokafka", "faust", "mode", "agents.kafka.transport", "agents.kafka.faust_app")  # as parts of Faust
# What these say of the broker's errors is said in a line; where in them an error came up helps nobody.
LIBRARIES = (*NOISY, "asyncio")
EXPECTED = (KafkaError, asyncio.CancelledError)


class Repeats(logging.Filter):
    """Lets each message (its format string, per logger) through once in ``REPEAT_SECONDS``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown; one that is says how many like it were not."""
        if record.name.startswith(LIBRARIES) and record.exc_info and isinstance(record.exc_info[1], EXPECTED):
            record.exc_info = None
            record.msg = str(record.msg).partition("\n")[0]
        key = (record.name, str(record.msg)[:200])
        now = self._clock()
        shown, left_out = self._seen.get(key, (float("-inf"), 0))
        if now - shown < REPEAT_SECONDS:
            self._seen[key] = (shown, left_out + 1)
            return False
        if len(self._seen) > 1000:
            self._seen.clear()
        self._seen[key] = (now, 0)
        if left_out:
            record.msg = f"{record.msg} (and {left_out} more like this)"
        return True


def configure(level: str) -> None:
    """Log to stderr; libraries only from WARNING on, unless the level is DEBUG."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in NOISY:
        logging.getLogger(name).setLevel(level if level == "DEBUG" else logging.WARNING)
