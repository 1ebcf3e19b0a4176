"""What is kept for each partition that is read, and where the partition is read on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

__all__ = ["PartitionState", "PartitionStates", "Positions", "TopicPartition"]

TopicPartition = tuple[str, int]


class PartitionState(Protocol):
    """State that can be written down and resumed; a snapshot is of one version of qualm and one bundle."""

    def snapshot(self) -> bytes:
        """All that later results depend on."""

    def resume(self, data: bytes) -> None:
        """Go on from a snapshot, in a state that has seen nothing yet. Raises ValueError."""


State = TypeVar("State", bound=PartitionState)


class PartitionStates(Generic[State]):
    """The states of the partitions that this process reads.

    Args:
        make: a new state for a topic and partition.
    """

    def __init__(self, make: Callable[[str, int], State]) -> None:
        self._make = make
        self._states: dict[TopicPartition, State] = {}

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[TopicPartition]:
        return iter(self._states)

    def of(self, topic: str, partition: int) -> State:
        """The state of a partition, made where there is none."""
        name = (topic, partition)
        if name not in self._states:
            self._states[name] = self._make(topic, partition)
        return self._states[name]

    def drop(self, topic: str, partition: int) -> None:
        """Drop the state of a partition, if there is one."""
        self._states.pop((topic, partition), None)

    def snapshot(self) -> dict[TopicPartition, bytes]:
        """A snapshot of every state."""
        return {name: state.snapshot() for name, state in self._states.items()}

    def resume(self, topic: str, partition: int, data: bytes) -> None:
        """Make the state of a partition from a snapshot, in place of what there is.

        Raises:
            ValueError: not a snapshot of such a state; what there was is kept.
        """
        state = self._make(topic, partition)
        state.resume(data)
        self._states[topic, partition] = state


class Positions:
    """Where the partitions of a worker are read on; this is how it is where no state is kept."""

    async def take_up(self, assigned: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Make the states of partitions that are new here; returns where to read those on that have one."""
        return {}

    def known(self, assigned: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Where to read on, of those whose state is here."""
        return {}

    async def begin(self, starts: Mapping[TopicPartition, int]) -> None:
        """Partitions without a state are read from these offsets on."""

    def misplaced(self, partition: TopicPartition, position: int, end: int) -> None:
        """A partition ends before the position of its state: it is another one by now."""

    def lost(self, partition: TopicPartition, position: int, first: int) -> None:
        """The records from a position up to the first one there is were removed before they were read."""
