"""What this user may do on topics, as the broker tells it; `qualm doctor` asks before a worker needs it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from agents.settings import Settings

__all__ = ["missing_rights"]

log = logging.getLogger("qualm.broker")


def missing_rights(
    settings: Settings, needed: Mapping[str, Sequence[str]], seconds: float
) -> dict[str, list[str]]:
    """Which of the operations needed on topics (``read``, ``write``) this user may not do.

    A broker that does not tell, or does not answer, is taken to allow them: it says no when it comes to that.
    aiokafka (0.14) cannot ask for this, so that it is asked by librdkafka.

    Args:
        settings: of the broker and of who is asking.
        needed: operations by topic; the topics exist.
        seconds: how long an answer is waited for.

    """
    if not needed:
        return {}
    client = AdminClient(_options(settings))
    asked = client.describe_topics(
        TopicCollection([*needed]), include_authorized_operations=True, request_timeout=seconds
    )
    missing: dict[str, list[str]] = {}
    for name, answer in asked.items():
        try:
            allowed = {each.name.lower() for each in answer.result(seconds).authorized_operations or ()}
        except (KafkaException, TimeoutError) as error:
            log.debug("The rights on %s are not known: %s", name, error)
            continue
        if allowed and (lacking := [each for each in needed[name] if each not in allowed]):
            missing[name] = lacking
    return missing


def _options(settings: Settings) -> dict[str, Any]:
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
