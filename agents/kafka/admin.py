"""What a worker and ``qualm doctor`` ask of a broker besides records: is it there, which topics has it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from agents.kafka.refusal import refusal
from agents.settings import Settings

log = logging.getLogger("qualm.broker")

FIRST_WAIT_SECONDS = 1.0
LAST_WAIT_SECONDS = 30.0
REQUEST_SECONDS = 10.0
# Room for a whole record of the largest accepted size and its headers in a dead-letter topic.
DEAD_LETTER_EXTRA_BYTES = 1024 * 1024
# Of the topic for state. Only closed segments are compacted, so that small ones keep short what is read when
# a partition is taken over.
STATE_CONFIG = (
    ("cleanup.policy", "compact"),
    ("segment.bytes", str(32 * 1024 * 1024)),
    ("min.cleanable.dirty.ratio", "0.2"),
    ("delete.retention.ms", str(3600 * 1000)),
)


class BrokerError(Exception):
    """The broker cannot be reached or refused; the text says which and what to do."""


class BrokerRefusedError(BrokerError):
    """The broker is there and does not let this client in, or not do its work: waiting does not help."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that qualm needs, with the settings it is created with, and what a worker does with it."""

    name: str
    config: tuple[tuple[str, str], ...] = ()
    rights: tuple[str, ...] = ("write",)
    partitions: int | None = None  # None: as many as the settings say


def own_topics(settings: Settings) -> list[Topic]:
    """The topics that a worker of this role writes to and creates when they are absent."""
    largest = settings.max_record_bytes + DEAD_LETTER_EXTRA_BYTES
    dead = (("max.message.bytes", str(largest)),)
    between = {"all": ("read", "write"), "triage": ("write",), "evaluate": ("read",)}[settings.role]
    topics = [Topic(settings.salient_topic, rights=between)]
    if settings.state == "topic":
        topics.append(Topic(settings.state_topic, STATE_CONFIG, rights=("read", "write")))
    if settings.role != "evaluate":
        topics += [Topic(settings.dead_letter_topic(name), dead) for name in settings.topics]
    if settings.role != "evaluate" and settings.is_keyed:
        topics.append(
            Topic(settings.keyed_topic, rights=("read", "write"), partitions=settings.keyed_partitions)
        )
        topics.append(Topic(settings.dead_letter_topic(settings.keyed_topic), dead))
    if settings.role != "triage":
        topics += [
            Topic(settings.suspicious_topic, rights=("read", "write")),
            Topic(settings.alerts_topic),
            Topic(settings.dead_letter_topic(settings.salient_topic), dead),
            Topic(settings.dead_letter_topic(settings.suspicious_topic), dead),
        ]
    return topics


async def partitions(settings: Settings, seconds: float = REQUEST_SECONDS) -> dict[str, int]:
    """Topics of the broker with their number of partitions; creates none.

    Args:
        settings: of the broker.
        seconds: how long a connection, and then the answer, is waited for.

    Raises:
        BrokerError: it does not answer.
        BrokerRefusedError: it refuses this client.
    """
    client = await _connect(settings, seconds)
    try:
        described = await asyncio.wait_for(client.describe_topics(), seconds)
    except (KafkaError, TimeoutError) as error:
        raise BrokerError(_why(settings, error)) from error
    finally:
        await client.close()
    return {each["topic"]: len(each["partitions"]) for each in described if not each["error_code"]}


async def create_topics(settings: Settings, topics: Sequence[Topic]) -> None:
    """Create those topics that are absent; a broker that refuses may still create them on first use.

    Raises:
        BrokerError: the broker does not answer.
    """
    present = await partitions(settings)
    client = await _connect(settings)
    try:
        for topic in topics:
            if topic.name not in present:
                if reason := await _create(client, settings, topic):
                    log.warning(
                        "The broker does not create topic %s: %s. Create it by hand.", topic.name, reason
                    )
                else:
                    log.info("Created topic %s.", topic.name)
    finally:
        await client.close()


async def would_refuse(settings: Settings, topic: Topic) -> str:
    """Why the broker would not create an absent topic, for this user and these settings; "" where it would.

    Raises:
        BrokerError: the broker does not answer.
    """
    client = await _connect(settings)
    try:
        return await _create(client, settings, topic, only_ask=True)
    finally:
        await client.close()


async def _create(
    client: AIOKafkaAdminClient, settings: Settings, topic: Topic, only_ask: bool = False
) -> str:
    """Create a topic, or ask whether it would be. Returns why not, "" for no known reason."""
    count = topic.partitions or settings.topic_partitions
    new = NewTopic(topic.name, count, 1, topic_configs=dict(topic.config))
    new.replication_factor = settings.topic_replication  # its constructor refuses -1, the broker takes it
    try:
        answer = await asyncio.wait_for(client.create_topics([new], validate_only=only_ask), REQUEST_SECONDS)
    except (KafkaError, TimeoutError, AttributeError) as error:
        # librdkafka's mock cluster has no controller (aiokafka fails with an AttributeError then) and makes
        # topics on first use; an administrator may also keep the right to create topics to themselves.
        log.debug("Cannot create topic %s: %r", topic.name, error)
        if isinstance(error, AttributeError) and not only_ask:
            with suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(client.describe_topics([topic.name]), REQUEST_SECONDS)
        return ""
    for _, code, *message in answer.topic_errors:
        if code and for_code(code) is not TopicAlreadyExistsError:
            return str((message[0] if message else None) or for_code(code).__name__)
    return ""


async def warn_of_absent(settings: Settings) -> None:
    """Log which input topics do not exist. Raises BrokerError where the broker does not answer."""
    present = await partitions(settings)
    for name in settings.topics:
        if name not in present:
            near = similar(name, present)
            log.warning("Topic %s does not exist%s. It is read when it appears.", name, near)


async def wait_for_broker(settings: Settings, stopping: asyncio.Event) -> bool:
    """Wait until the broker answers, with growing pauses; False when told to stop before it did.

    Raises:
        BrokerRefusedError: it answers, and refuses this client.
    """
    wait = FIRST_WAIT_SECONDS
    while not stopping.is_set():
        try:
            await partitions(settings)
        except BrokerRefusedError:
            raise
        except BrokerError as error:
            log.warning("%s Trying again in %.0f s.", error, wait)
        else:
            return True
        try:
            await asyncio.wait_for(stopping.wait(), wait)
        except TimeoutError:
            wait = min(wait * 2, LAST_WAIT_SECONDS)
    return False


def similar(name: str, present: Iterable[str]) -> str:
    """Topics that may be meant by a name that none has, for a sentence; "" for none."""
    near = get_close_matches(name, [each for each in present if not each.startswith("__")], 3)
    return f"; similar: {', '.join(near)}" if near else ""


def creating_nothing(consumer: AIOKafkaConsumer) -> AIOKafkaConsumer:
    """A consumer that was not started yet, made to ask for all topics instead of those it is to read.

    aiokafka (0.14) lets the broker create every topic that a consumer names in a request for metadata, with
    the broker's default of partitions: a name that is mistyped would be there from then on.
    """
    client = consumer._client
    update = client._metadata_update

    async def of_all_topics(cluster: Any, topics: Any) -> bool:
        return bool(await update(cluster, []))

    client._metadata_update = of_all_topics
    return consumer


async def _connect(settings: Settings, seconds: float = REQUEST_SECONDS) -> AIOKafkaAdminClient:
    client = AIOKafkaAdminClient(
        **settings.client_options(), client_id="qualm", request_timeout_ms=int(seconds * 1000)
    )
    # Each unreachable address is logged by aiokafka too; what the caller makes of it is enough.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        await asyncio.wait_for(client.start(), seconds)
    except (KafkaError, OSError, TimeoutError) as error:
        await client.close()
        if why := await refusal(settings, seconds):
            raise BrokerRefusedError(f"{why}.") from error
        raise BrokerError(_why(settings, error)) from error
    finally:
        logging.getLogger("aiokafka").setLevel(logging.WARNING)
    return client


def _why(settings: Settings, error: BaseException) -> str:
    reason = str(error) or type(error).__name__
    return (
        f"No Kafka broker answers at {', '.join(settings.broker)} ({settings.security_protocol}): {reason}. "
        "Check that it runs, the setting `broker`, and the security settings."
    )
