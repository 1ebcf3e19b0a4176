"""What an evaluated event costs a worker, and what a labelled replay: `python -m benchmarks.evaluate`.

Salient events of simulated services, as records of the salient topic are once they are decoded, through
`SalientEvaluation` in batches as a worker takes them.
"""

import argparse
import json
import time
from collections.abc import Collection
from typing import Any, Final

import numpy as np

from agents.evaluate import SalientEvaluation
from benchmarks.salient import messages_of_simulation
from benchmarks.table import show
from models.bundle import Bundle
from models.options import EvaluateOptions
from models.scores import PUBLISHED, ScoreName
from schemas.salient import SalientEvent
from schemas.suspicious import Suspicious, SuspiciousMessage
from schemas.watermark import SalientMessage

RUNS: Final = 15


def run(bundle: Bundle) -> list[dict[str, Any]]:
    """Rows {method, batch, events, alerts, microseconds_per_event}: the median of RUNS runs."""
    messages = messages_of_simulation(bundle)
    cases = (("worker: published scores", PUBLISHED), ("labelled replay: all scores", tuple(ScoreName)))
    return [_row(bundle, messages, method, names) for method, names in cases]


def _row(
    bundle: Bundle, messages: list[SalientMessage], method: str, names: Collection[ScoreName]
) -> dict[str, Any]:
    events = sum(isinstance(message, SalientEvent) for message in messages)
    batch = EvaluateOptions.batch
    seconds, found = [], list[SuspiciousMessage]()
    for _ in range(RUNS):
        evaluation = SalientEvaluation(bundle, EvaluateOptions("compiled"), names=names)
        start = time.perf_counter()
        parts = [evaluation.process(messages[at : at + batch]) for at in range(0, len(messages), batch)]
        found = [message for part in parts for message in part]
        seconds.append(time.perf_counter() - start)
    suspicious = sum(isinstance(message, Suspicious) for message in found)
    micros = round(1e6 * float(np.median(seconds)) / events, 2)
    row: dict[str, Any] = {"method": method, "batch": batch, "events": events, "suspicious": suspicious}
    return row | {"microseconds_per_event": micros}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON list and nothing else")
    results = run(Bundle.default())
    if parser.parse_args().json:
        print(json.dumps(results))
    else:
        show(results)
