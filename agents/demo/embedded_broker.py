"""A Kafka-protocol broker inside this process, for the demo and for tests: librdkafka's mock cluster.

Its limits, all of which matter: topics are created on first use with four partitions each, everything lives
in memory, and about 5 MB are kept per partition. **Older records are dropped silently**, so a producer must
pace itself on what the consumer has processed. There is no CreateTopics, no TLS and no authentication. It
listens on loopback only. Never use it where data must survive.
"""

from __future__ import annotations

from types import TracebackType

from confluent_kafka import KafkaException, Producer

__all__ = ["PARTITIONS", "RETAINED_BYTES", "BrokerError", "EmbeddedBroker"]

PARTITIONS = 4  # of every topic
RETAINED_BYTES = 5 * 1024 * 1024  # about, per partition
START_SECONDS = 10.0


class BrokerError(RuntimeError):
    """The embedded broker could not be started."""


class EmbeddedBroker:
    """A context manager that runs the broker; ``address`` is its ``host:port``.

    >>> with EmbeddedBroker() as broker:
    ...     broker.address.startswith("127.0.0.1:")
    True
    """

    def __init__(self) -> None:
        self.address = ""
        self._owner: Producer | None = None

    def __enter__(self) -> EmbeddedBroker:
        """Start the broker.

        Raises:
            BrokerError: it did not answer within 10 seconds.
        """
        # The cluster belongs to this client: it lives until the client is collected.
        self._owner = Producer({"test.mock.num.brokers": 1, "log_level": 3})
        try:
            brokers = self._owner.list_topics(timeout=START_SECONDS).brokers
        except KafkaException as error:
            self._owner = None
            raise BrokerError(
                f"the embedded broker did not start: {error}. It needs a free port on 127.0.0.1."
            ) from error
        first = next(iter(brokers.values()))
        self.address = f"{first.host}:{first.port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the broker and forget everything it held."""
        self._owner = None
        self.address = ""

    def create_topic(self, topic: str) -> None:
        """Make a topic known, so that a consumer may subscribe to it before the first record.

        Raises:
            BrokerError: the broker is not running or did not answer.
        """
        if self._owner is None:
            raise BrokerError("the embedded broker is not running; use it as a context manager")
        try:
            self._owner.list_topics(topic, timeout=START_SECONDS)
        except KafkaException as error:
            raise BrokerError(f"the embedded broker could not create topic {topic!r}: {error}") from error
