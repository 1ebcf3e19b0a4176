"""Template mining against Drain3: `python -m benchmarks.templates FILE` takes the lines of a log file.

Both are timed on the same lines after a first pass over them, when every shape is known. Drain3 is no
dependency: `pip install drain3` brings it.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import islice

from agents.inputs.files import FileReader
from benchmarks.table import show
from models.context.templates import TemplateMiner

BATCH = 4096  # messages at once, as triage does


def drain3(messages: Sequence[str]) -> Callable[[], int]:
    """A pass of Drain3 over the messages, with its default settings and no masks."""
    options = import_module("drain3.template_miner_config").TemplateMinerConfig()
    miner = import_module("drain3").TemplateMiner(config=options)
    return lambda: len({miner.add_log_message(message)["cluster_id"] for message in messages})


def qualm(messages: Sequence[str]) -> Callable[[], int]:
    """A pass of qualm's own miner over the messages."""
    miner = TemplateMiner()
    batches = [messages[start : start + BATCH] for start in range(0, len(messages), BATCH)]
    return lambda: len({int(name) for batch in batches for name in set(miner.mine(batch)[0].tolist())})


def run(path: str, most: int) -> list[dict[str, object]]:
    """Microseconds a message, and how many templates; of the first lines of a file."""
    values = islice((value for batch in FileReader(path) for value in batch.values), most)
    messages = [(value or b"").decode("utf-8", "replace") for value in values]
    results: list[dict[str, object]] = []
    for name, make in (("drain3", drain3), ("qualm", qualm)):
        one_pass = make(messages)
        one_pass()
        start = time.perf_counter()
        templates = one_pass()
        microseconds = 1e6 * (time.perf_counter() - start) / len(messages)
        results.append(
            {
                "method": name,
                "messages": len(messages),
                "microseconds": round(microseconds, 2),
                "templates": templates,
            }
        )
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--lines", type=int, default=50_000)
    given = parser.parse_args()
    show(run(given.file, given.lines))
