"""What this user may do on topics and the group, as the broker tells it, before a worker needs it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from agents.kafka.admin import own_topics
from agents.settings import Settings

__all__ = ["group_may_be_read", "lacking", "librdkafka_options", "missing_rights", "needed_rights"]

log = logging.getLogger("qualm.broker")


def missing_rights(
    settings: Settings, needed: Mapping[str, Sequence[str]], seconds: float
) -> dict[str, list[str]]:
    """Which of the operations needed on topics (``read``, ``write``) this user may not do.

    A broker that does not tell, or does not answer, is taken to allow them: it says no when it comes to that.
    aiokafka (0.14) cannot ask for this, so that it is asked by librdkafka.

    Args:
        settings: of the broker and of who is asking.
        needed: operations by topic. Of topics that are absent nothing is missing, if the user may know it.
        seconds: how long an answer is waited for.

    """
    if not needed:
        return {}
    client = AdminClient(librdkafka_options(settings))
    asked = client.describe_topics(
        TopicCollection([*needed]), include_authorized_operations=True, request_timeout=seconds
    )
    missing: dict[str, list[str]] = {}
    for name, answer in asked.items():
        try:
            allowed = {each.name.lower() for each in answer.result(seconds).authorized_operations or ()}
        except (KafkaException, TimeoutError) as error:
            if _is(error, KafkaError.TOPIC_AUTHORIZATION_FAILED):  # not even that it is there
                missing[name] = list(needed[name])
            log.debug("The rights on %s are not known: %s", name, error)
            continue
        if allowed and (lacking := [each for each in needed[name] if each not in allowed]):
            missing[name] = lacking
    return missing


def group_may_be_read(settings: Settings, seconds: float) -> bool:
    """Whether this user may be a member of the group; True where the broker does not tell."""
    client = AdminClient(librdkafka_options(settings))
    asked = client.describe_consumer_groups(
        [settings.group], include_authorized_operations=True, request_timeout=seconds
    )
    try:
        allowed = asked[settings.group].result(seconds).authorized_operations or ()
    except (KafkaException, TimeoutError) as error:
        log.debug("The rights on group %s are not known: %s", settings.group, error)
        return not _is(error, KafkaError.GROUP_AUTHORIZATION_FAILED)
    return not allowed or "read" in {each.name.lower() for each in allowed}


def needed_rights(settings: Settings) -> dict[str, list[str]]:
    """Operations by topic that a worker of this role does."""
    needed = {topic.name: list(topic.rights) for topic in own_topics(settings)}
    if settings.role != "evaluate":
        needed |= {name: ["read"] for name in settings.topics}
    return needed


def lacking(settings: Settings, seconds: float) -> str:
    """What this user lacks for a worker of this role, as a sentence that says what to grant, or ""."""
    missing = missing_rights(settings, needed_rights(settings), seconds)
    found = [f"{' and '.join(rights)} topic {name}" for name, rights in missing.items()]
    if not group_may_be_read(settings, seconds):
        found.append(f"read group {settings.group}")
    return f"This user may not {', '.join(found)}: grant it these rights." if found else ""


def _is(error: Exception, code: int) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() == code


def librdkafka_options(settings: Settings) -> dict[str, Any]:
    """Address and security as librdkafka calls them."""
    options: dict[str, Any] = {
        "bootstrap.servers": ",".join(settings.broker),
        "security.protocol": settings.security_protocol,
        "log_level": 0,
    }
    files = {"ca": settings.ssl_cafile, "certificate": settings.ssl_certfile, "key": settings.ssl_keyfile}
    if settings.security_protocol.endswith("SSL"):
        options |= {f"ssl.{name}.location": str(path) for name, path in files.items() if path}
    if settings.security_protocol.startswith("SASL") and settings.sasl_password is not None:
        options |= {
            "sasl.mechanism": settings.sasl_mechanism,
            "sasl.username": settings.sasl_username,
            "sasl.password": settings.sasl_password.get_secret_value(),
        }
    return options
