"""Doctor tells one thing after the other, and never waits without saying for what."""

from __future__ import annotations

import asyncio
import socket

import pytest

from agents.doctor import examine
from agents.kafka import admin
from agents.kafka.admin import BrokerError
from agents.settings import load_settings


def test_what_is_slow_is_said_before_it_is_waited_for() -> None:
    told: list[str] = []
    checks = examine(load_settings(broker="127.0.0.1:1"), told.append)
    assert next(checks).name == "python"
    assert told == []  # nothing was waited for so far
    order = []
    for check in checks:
        order.append((check.name, list(told)))
    by_name = dict(order)
    assert by_name["bundle"] == []
    assert by_name["broker"] == ["broker 127.0.0.1:1: waiting up to 5 s for an answer"]
    assert by_name["device"][-1].startswith("devices: timing each of them")


def test_a_broker_that_takes_the_connection_and_says_nothing_is_given_up_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = load_settings(broker=f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(BrokerError, match=r"No Kafka broker answers at 127\.0\.0\.1"):
            asyncio.run(admin.partitions(settings, 0.3))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lgos", "; similar: logs"),
        ("logs.dlq", "; similar: logs"),
        ("payments", ""),
        ("consumer_offsets", ""),
    ],
)
def test_similar_topics_are_named_and_internal_ones_are_not(name: str, said: str) -> None:
    assert admin.similar(name, ["logs", "alerts", "__consumer_offsets"]) == said
