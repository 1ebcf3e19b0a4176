"""What faults change in the alerts: `python -m benchmarks.chaos`; needs KAFKA_HOME.

For each fault, simulated events fill a topic of one partition while workers read it, and the fault strikes so
many times at random moments, from a seed. Then an undisturbed worker reads the same topic. The alerts of both
are held against each other by their ids; one that was told twice with the same content is a duplicate, and
allowed.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Producer

from agents.demo.simulation import simulate
from agents.progress import progress_bars
from benchmarks.chaos_deployment import (
    ChaosError,
    Deployment,
    Feed,
    WorkerUnderFire,
    compared,
    marked,
    wait_until,
)
from benchmarks.kafka_server import KafkaError, KafkaServer, home
from benchmarks.table import show

ZOMBIE_SECONDS: Final = 40.0  # longer than the 15 s after which a worker is taken for dead
APART_SECONDS: Final = (1.0, 6.0)  # between a recovery and the next fault
RATE: Final = 300.0  # events a second while faults strike
SIMULATED_RATE: Final = 10.0  # events a second of event time


class Target:
    """What a fault may hit."""

    def __init__(self, deployment: Deployment, kafka: KafkaServer, zombie_seconds: float) -> None:
        self.deployment, self.kafka, self.zombie_seconds = deployment, kafka, zombie_seconds
        self.worker = deployment.worker()
        self.other: WorkerUnderFire | None = None
        self.slowest_stop = 0.0  # s from SIGTERM to the end

    def is_alive(self) -> bool:
        """True. Raises ChaosError where a worker has ended by itself."""
        for worker in (self.worker, self.other):
            if worker is not None:
                worker.metrics()
        return True

    def kill9(self) -> None:
        """The worker is killed and started again."""
        self.worker.end(signal.SIGKILL)
        self.worker.start()

    def sigterm(self) -> None:
        """The worker is told to stop and started again."""
        self.slowest_stop = max(self.slowest_stop, self.worker.end(signal.SIGTERM))
        self.worker.start()

    def join_and_leave(self) -> None:
        """A second worker joins, takes partitions, and leaves again."""
        other = self.deployment.worker()
        wait_until(lambda: bool(other.metrics().by_label("qualm_build_info", "role")), "a second worker")
        time.sleep(8)  # until it has been given its share and is at work
        self.slowest_stop = max(self.slowest_stop, other.end(signal.SIGTERM))

    def zombie(self) -> None:
        """The worker that reads the input stands still until another one has its partitions, and goes on."""
        if self.other is None:
            self.other = self.deployment.worker()
            time.sleep(10)
        topic = self.deployment.topic
        both = self.worker, self.other
        wait_until(lambda: any(each.reads(topic) for each in both), "one of two reads the input")
        stopped = next(each for each in both if each.reads(topic))
        stopped.send(signal.SIGSTOP)
        time.sleep(self.zombie_seconds)
        stopped.send(signal.SIGCONT)

    def corrupt(self) -> None:
        """The worker is killed, and a record of the newest snapshot of its input is damaged."""
        self.worker.end(signal.SIGKILL)
        deployment = self.deployment
        name = f"{deployment.name}/{deployment.topic}/0|".encode()
        mine = [(key, value) for key, value, _ in deployment.records(f"{deployment.name}.state") if key]
        kept = {key: value for key, value in mine if key.startswith(name) and value is not None}
        newest = [key for key, value in mine if key.startswith(name + b"m.") and value is not None][-1]
        broken = bytearray(kept[newest])
        broken[len(broken) // 2] ^= 1
        producer = Producer({"bootstrap.servers": deployment.address})
        producer.produce(f"{deployment.name}.state", bytes(broken), newest, partition=0)
        producer.flush(10)
        self.worker.start()

    def broker_stopped(self) -> None:
        """The broker is told to stop, and comes back after a while."""
        self.kafka.stop()
        time.sleep(3)
        self.kafka.start()

    def broker_killed(self) -> None:
        """The broker is killed, and comes back with what its disk has."""
        self.kafka.kill()
        time.sleep(3)
        self.kafka.start()


FAULTS: Final[dict[str, Callable[[Target], None]]] = {
    "kill9": Target.kill9,
    "sigterm": Target.sigterm,
    "join-and-leave": Target.join_and_leave,
    "zombie": Target.zombie,
    "corrupt-snapshot": Target.corrupt,
    "broker-stopped": Target.broker_stopped,
    "broker-killed": Target.broker_killed,
}


def strike(
    kafka: KafkaServer, folder: Path, fault: str, times: int, events: int, seed: int, zombie_seconds: float
) -> dict[str, Any]:
    """One row: what a fault changes that strikes so many times."""
    chance = random.Random(f"{seed} {fault}")
    topic = f"{fault}.logs"
    simulated = simulate(seed, events / SIMULATED_RATE, SIMULATED_RATE, incidents="demo")
    values = marked(event.encode() for event in simulated)
    hit = Deployment(kafka.address, folder, topic, f"{fault}.hit")
    calm = Deployment(kafka.address, folder, topic, f"{fault}.calm", state="none")
    recovered: list[float] = []
    try:
        hit.create()
        target = Target(hit, kafka, zombie_seconds)
        feed = Feed(kafka.address, topic, values, RATE)
        feed.start()
        wait_until(lambda: target.worker.metrics().total("qualm_events_total") > 500, "the first events")
        for _ in range(times):
            time.sleep(chance.uniform(*APART_SECONDS))
            FAULTS[fault](target)
            ends: dict[str, int] = {}
            began = time.monotonic()
            while not ends:
                ends = hit.ends()
            wait_until(lambda ends=ends: target.is_alive() and hit.has_reached(ends), "recovery")  # type: ignore[misc]
            recovered.append(time.monotonic() - began)
        feed.finish()
        wait_until(hit.is_done, "the end")
        for worker in hit.workers:
            worker.stop()
        calm.worker()
        wait_until(calm.is_done, "the undisturbed run")
        row = {"fault": fault, "times": times, "events": len(values), **compared(hit, calm)}
        return row | {"back_s": max(recovered), "stop_s": target.slowest_stop or None}
    finally:
        hit.stop()
        calm.stop()


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="that each fault strikes")
    parser.add_argument("--events", type=int, default=60_000, help="of the input of each fault")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fault", choices=FAULTS, action="append", help="only this one; may be repeated")
    parser.add_argument(
        "--zombie-seconds", type=float, default=ZOMBIE_SECONDS, help="that a worker stands still"
    )
    parser.add_argument("--json", metavar="OUT", type=Path, help="also write the rows to a file")
    parser.add_argument("--folder", type=Path, help="for logs and the broker's data, to be looked at later")
    return parser


def _main() -> None:
    given = _arguments().parse_args()
    rows: list[dict[str, Any]] = []
    faults = given.fault or list(FAULTS)
    try:
        with tempfile.TemporaryDirectory() as temporary, progress_bars() as progress:
            folder = given.folder or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            with KafkaServer(home(), folder, "log.retention.ms=-1\n") as kafka:
                for number, fault in enumerate(faults):
                    progress(fault, number, len(faults))
                    rows.append(
                        strike(
                            kafka, folder, fault, given.times, given.events, given.seed, given.zombie_seconds
                        )
                    )
                    progress(fault, number + 1, len(faults))
    except (ChaosError, KafkaError) as error:
        show(rows)
        sys.exit(f"chaos: {error}")
    show(rows)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _main()
