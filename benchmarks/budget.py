"""How well the salience budget is held: `python -m benchmarks.budget INPUT... [--bundle DIR] [--budget X]`.

The input is triaged by the worker's code, and of each BLOCK rows, the first too, the salient ones count.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.inputs.inputs import InputError, Inputs
from agents.inputs.merge import in_order
from agents.partitions import PartitionStates
from agents.settings import load_settings
from agents.triage import PartitionTriage
from models.bundle import Bundle, BundleError
from schemas.formats.detection import TopicDecoder

BLOCK: Final = 20_000  # rows


def salient(bundle: Bundle, inputs: Inputs) -> NDArray[np.bool_]:
    """Which of the rows (n,) of all inputs are salient."""
    reading = bundle.manifest.read_options()
    partitions = PartitionStates(
        lambda topic, partition: PartitionTriage(bundle, TopicDecoder(reading), topic, partition)
    )
    found = [np.zeros(0, bool)]
    for batch in in_order(inputs.streams(), lambda _: TopicDecoder(reading)):
        for result in partitions.of(batch.topic, batch.partition).process(batch).results:
            found.append(np.zeros(len(result.rows), bool))
            found[-1][result.salient_rows] = True
    return np.concatenate(found)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budget", description=__doc__)
    parser.add_argument("inputs", nargs="+", metavar="INPUT")
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--budget", type=float, help="in place of the bundle's")
    given = parser.parse_args()
    try:
        bundle = Bundle.load(given.bundle) if given.bundle else Bundle.default()
        if given.budget:
            changed = {"salience_budget": given.budget}
            bundle = replace(bundle, manifest=bundle.manifest.model_copy(update=changed))
        inputs, begin = Inputs(given.inputs, load_settings()), process_time()
        passed = salient(bundle, inputs)
        seconds = process_time() - begin
    except (BundleError, InputError, ValueError, OSError) as error:
        sys.exit(str(error))
    if len(passed) < BLOCK:
        sys.exit(f"{len(passed):,} rows are too few: {BLOCK:,} are needed")
    blocks = passed[: len(passed) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(axis=1)
    print(
        f"{passed.mean():.2%} of {len(passed):,} rows are salient at a budget of "
        f"{bundle.manifest.salience_budget:.2%}; {blocks.min():.2%} to {blocks.max():.2%} of each {BLOCK:,}; "
        f"{seconds / len(passed) * 1e6:.1f} µs of CPU a row, reading included"
    )


if __name__ == "__main__":
    _main()
