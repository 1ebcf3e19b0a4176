"""How many records of each partition are not published yet, asked of the broker on a short timer.

What the consumer knows of the end of a partition is as old as its last fetch: while batches wait to be
computed nothing is fetched, so that a worker far behind would tell too little. And where a partition ends
with markers of transactions or with compacted records, no batch ever comes to its end.
"""

from __future__ import annotations

import logging
from typing import Any

from aiokafka.errors import KafkaError
from faust.exceptions import ConsumerNotStarted

from agents import metrics

__all__ = ["LAG_SECONDS", "tell_lag"]

log = logging.getLogger("qualm.broker")

LAG_SECONDS = 1.0
"""How often the broker is asked: one small request to each that has a partition of this worker."""


async def tell_lag(consumer: Any) -> None:
    """Set ``qualm_lag_records`` of what is assigned; keep what was told where the broker does not answer.

    Args:
        consumer: a `BatchConsumer` of `agents.kafka.transport`.
    """
    try:
        lags = await consumer.lags()
    except (KafkaError, ConsumerNotStarted, TimeoutError) as error:
        log.debug("The ends of partitions are not known: %r", error)
        return
    for tp, lag in lags.items():
        metrics.LAG.labels(tp.topic, str(tp.partition)).set(lag)
