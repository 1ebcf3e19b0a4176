"""The ways in which the story is told without a broker. Only this file knows how qualm is called."""

from pathlib import Path

from agents.evaluate import SalientEvaluation
from agents.group import Grouping
from agents.inputs.inputs import Inputs
from agents.records import RecordBatch
from agents.replay import Replay
from agents.settings import load_settings
from agents.triage import PartitionTriage
from models.bundle import Bundle
from models.options import EvaluateOptions
from schemas.alert import Alert
from schemas.formats.detection import TopicDecoder
from tests.story.events import RECORDS

RESOLVE_AFTER = 100.0  # s
OPTIONS = EvaluateOptions(device="compiled", resolve_after=RESOLVE_AFTER)


def directly(bundle: Bundle, size: int, times: int = 1) -> tuple[list[Alert], list[Alert], list[int]]:
    """Through triage and evaluation in batches of a size; each salient event is delivered so many times.

    Returns what was suspicious, as alerts that know nothing of their incident; the alerts; and the offsets of
    the dead letters.
    """
    decoder = TopicDecoder(bundle.manifest.read_options())
    triage, evaluation = PartitionTriage(bundle, decoder, "file", 0), SalientEvaluation(bundle, OPTIONS)
    grouping = Grouping(OPTIONS)
    n = len(RECORDS)
    whole = RecordBatch("file", 0, list(range(n)), list(RECORDS), [float("nan")] * n, [None] * n, [[]] * n)
    alerts: list[Alert] = []
    suspicious: list[Alert] = []
    grouping.on_suspicious = lambda alert, incident: suspicious.append(alert)
    dead: list[int] = []
    for start in range(0, n, size):
        output = triage.process(whole[start : start + size])
        dead += [letter.offset for letter in output.dead]
        messages = [message for message in output.messages for _ in range(times)]
        for first in range(0, len(messages), size):
            alerts += grouping.process(evaluation.process(messages[first : first + size]))
    return suspicious, alerts, dead


def by_replay(bundle: Bundle, inputs: list[str], **settings: object) -> list[Alert]:
    """Through a replay of a file or topic, read as the bundle remembers."""
    alerts: list[Alert] = []
    replay = Replay(bundle, bundle.manifest.read_options(), None, OPTIONS)
    replay.run(Inputs(inputs, load_settings(**settings)), alerts.append, lambda _: None)
    return alerts


def written(path: Path) -> Path:
    """The records as a file."""
    path.write_bytes(b"\n".join(RECORDS) + b"\n")
    return path
