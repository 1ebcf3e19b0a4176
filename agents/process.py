"""A worker as a process: its bundle and metrics, waiting for the broker, signals, and its exit code."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from contextlib import suppress
from importlib.metadata import version

from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from agents import logs, metrics
from agents.kafka import admin as broker
from agents.kafka.rights import lacking
from agents.settings import Settings
from agents.worker import Worker
from models.bundle import Bundle

__all__ = ["run_worker"]

log = logging.getLogger("qualm.worker")

# Seconds that a stopping worker gives its last batches before it gives up on the broker, that it gives to
# saving its states, and after which it leaves whichever of its parts did not stop. What is not published by
# then is read again by the next worker. Together less than the 10 s after which container engines kill.
PUBLISH_GRACE_SECONDS = 2.0
SAVE_SECONDS = 2.5
CLOSE_SECONDS = 0.5
STOP_SECONDS = 7.5
LEAVE_SECONDS = 8.0


def run_worker(settings: Settings) -> int:
    """Run a worker until SIGTERM or SIGINT; returns the exit code of the process.

    Raises:
        BundleError: the bundle is absent, foreign or damaged.
        SettingsError: a TLS certificate or key cannot be read.
        DeviceError: the device is unknown, or cannot do what the settings want of it.
        BrokerRefusedError: the broker does not let this client in, or not do what a worker does.
        BrokerError: the broker went away while the worker started.
    """
    logs.configure(settings.log_level)
    bundle = Bundle.load(settings.bundle) if settings.bundle else Bundle.default()
    metrics.BUILD.labels(version("qualm"), bundle.digest, settings.role).set(1)
    server = metrics.serve(settings.metrics_host, settings.metrics_port)
    try:
        return asyncio.run(_run(settings, bundle))
    finally:
        if server is not None:
            server.shutdown()


async def _run(settings: Settings, bundle: Bundle) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    worker = Worker(settings, bundle)  # before the broker is waited for: it may refuse the settings
    if not await broker.wait_for_broker(settings, stopping):
        return 0
    await broker.create_topics(settings, broker.own_topics(settings))
    if why := await asyncio.to_thread(lacking, settings, broker.REQUEST_SECONDS):
        raise broker.BrokerRefusedError(why)
    if settings.role != "evaluate":
        await broker.warn_of_absent(settings)
    await worker.app.start()
    log.info(
        "Worker (%s) reads from %s as group %s.", settings.role, ",".join(settings.broker), settings.group
    )
    looking = asyncio.create_task(worker.keeper.run())
    told = asyncio.create_task(stopping.wait())
    crashed = asyncio.create_task(worker.app._crashed.wait())
    await asyncio.wait({told, crashed}, return_when=asyncio.FIRST_COMPLETED)
    if told.done():
        log.info("Stopping.")
    else:
        log.error("%s What was not published is read again.", _failure(worker.app.crash_reason))
    _leave_at_last(0 if told.done() else 1)
    looking.cancel()
    stop = asyncio.create_task(_stop(worker))
    await asyncio.wait({stop}, timeout=STOP_SECONDS)
    code = 0 if told.done() else 1
    if not stop.done():
        # Faust's consumer thread can wait for ever for a broker that is gone and keep the process alive.
        # Leaving at once loses nothing: what is not committed is read again.
        log.error("A part of the worker did not stop within %.0f s; leaving it.", STOP_SECONDS)
        _leave(code)
    stop.result()
    return code


async def _stop(worker: Worker) -> None:
    """Finish what is under way, save the states, and only then let go of the partitions."""
    await worker.finish(PUBLISH_GRACE_SECONDS, SAVE_SECONDS)
    with suppress(TimeoutError):  # it would wait for a broker that is away
        await asyncio.wait_for(worker.keeper.close(), CLOSE_SECONDS)
    await worker.app.stop()


def _failure(reason: BaseException | None) -> str:
    """What ended the worker, in a sentence; what is not the broker's saying was logged where it happened."""
    if isinstance(reason, GroupAuthorizationFailedError | TopicAuthorizationFailedError):
        what = f"The broker does not let this user go on ({type(reason).__name__}: {reason.args[0]})"
        return f"{what}: grant it the right again; `qualm doctor` names it."
    return "Stopping after a failure."


def _leave_at_last(code: int) -> None:
    """Leave even where the event loop itself hangs, or a thread outlives it: Faust can wait in both."""
    timer = threading.Timer(LEAVE_SECONDS, _leave, [code])
    timer.daemon = True
    timer.start()


def _leave(code: int) -> None:
    logging.shutdown()
    os._exit(code)
