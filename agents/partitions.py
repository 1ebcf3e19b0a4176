"""What is kept for each partition that is read: made at its first record, dropped with the partition."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Generic, Protocol, TypeVar

__all__ = ["PartitionState", "PartitionStates", "TopicPartition"]

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

    def keep(self, assigned: Collection[TopicPartition]) -> None:
        """Drop the states of all partitions but these."""
        self._states = {name: state for name, state in self._states.items() if name in assigned}

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
