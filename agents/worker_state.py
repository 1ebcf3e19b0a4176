"""What a worker keeps over restarts: of which topics, where, and by what a snapshot can be taken up."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson

from agents.group import Grouping
from agents.kafka.state_topic import TopicShelf
from agents.keyed_steps import KeyedSteps
from agents.partitions import PartitionStates
from agents.settings import Settings
from agents.state.blocks import digest
from agents.state.folder import FolderShelf
from agents.state.keeper import Keeper, Kept
from agents.state.store import Store
from agents.triage import PartitionTriage
from models.bundle import Bundle

__all__ = ["keeper_of"]

# Versions of what snapshots hold. To be raised when the same bytes would mean something else.
TRIAGE: Final = 1
KEYING: Final = 1
INCIDENTS: Final = 1


def keeper_of(
    settings: Settings,
    bundle: Bundle,
    triage: PartitionStates[PartitionTriage],
    keyed: KeyedSteps,
    grouping: Grouping,
) -> Keeper:
    """What saves the states of a worker of this role, where the settings say."""

    def reading(topic: str) -> str:
        """How a topic is read, in short."""
        options = settings.read_options(topic, bundle.manifest.read_options())
        return digest(orjson.dumps(options.remembered(), option=orjson.OPT_SORT_KEYS))

    kinds: dict[str, Kept] = {}
    if settings.role != "evaluate" and settings.is_keyed:
        keying = Kept(keyed.keying, lambda topic: f"keying {KEYING} {settings.key_by} {reading(topic)}")
        kinds |= dict.fromkeys(settings.topics, keying)
        kinds[settings.keyed_topic] = Kept(keyed.triage, lambda _: f"keyed {TRIAGE} {bundle.digest}")
    elif settings.role != "evaluate":
        by_itself = Kept(triage, lambda topic: f"triage {TRIAGE} {bundle.digest} {reading(topic)}")
        kinds |= dict.fromkeys(settings.topics, by_itself)
    if settings.role != "triage":
        kinds[settings.suspicious_topic] = Kept(grouping.states, lambda _: f"incidents {INCIDENTS}")
    store = None
    if settings.state != "none":
        in_topic = settings.state == "topic"
        store = Store(TopicShelf(settings) if in_topic else FolderShelf(Path(settings.state)))
    return Keeper(store, settings.group, settings.snapshot_seconds, kinds)
