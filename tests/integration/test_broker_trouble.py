"""A broker whose disk is full, and one that is slow: the worker waits, goes on, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.kafka_server import KafkaError, home
from tests.integration.conftest import Broker, RealKafka, WorkerUnderTest, wait_until
from tests.integration.test_worker import send, settings_for
from tests.troubleshooting import says

pytestmark = pytest.mark.kafka
Start = Callable[..., WorkerUnderTest]
BAD: list[bytes | None] = [b"{]%06d" % number + b"x" * 1_000 for number in range(8_000)]
MB = 1024 * 1024


class SmallDisk(RealKafka):
    """A node whose data is on a file system of its own, in memory, which only it sees."""

    def __init__(self, home: Path, directory: Path) -> None:
        super().__init__(home, directory)
        self.data = directory / "data"
        self.data.mkdir()
        mount = f"mount -t tmpfs -o size={64 * MB} qualm {self.data} && echo mounted && exec sleep infinity"
        self._holder = subprocess.Popen(["unshare", "-m", "sh", "-c", mount], stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        self.is_mounted = self._holder.stdout.readline() == b"mounted\n"

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()

    @property
    def inside(self) -> Path:
        """The data as it is seen from here."""
        return Path(f"/proc/{self._holder.pid}/root{self.data}")

    def fill(self, left: int) -> None:
        """Let so many bytes be free."""
        found = os.statvfs(self.inside)
        with (self.inside / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - left)

    def clean_up(self) -> None:
        (self.inside / "filler").unlink()

    def has_ended(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None

    def _java(self, *arguments: str) -> list[str]:
        return ["nsenter", "-t", str(self._holder.pid), "-m", *super()._java(*arguments)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    try:
        found = home()
    except KafkaError as error:
        pytest.skip(str(error))
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("nsenter")):
        pytest.skip("a small disk is mounted for this: needs root, unshare and nsenter")
    server = SmallDisk(found, tmp_path)
    try:
        if not server.is_mounted:
            pytest.skip("this machine lets nobody mount a file system in memory")
        with server:
            yield server
    finally:
        server.close()


def dead_values(broker: Broker, topic: str) -> list[bytes]:
    """What is in the dead-letter topic, each once, in the order of the input."""
    found = {int(dict(r.headers())["qualm.error.offset"]): r.value() for r in broker.read(f"{topic}.dlq")}
    return [value for _, value in sorted(found.items())]


def test_a_full_disk_is_waited_for(
    small_disk: SmallDisk, tmp_path: Path, unique: str, start_worker: Start
) -> None:
    """Of eight megabytes of dead letters three fit. The broker ends then, as Kafka does."""
    settings = settings_for(small_disk, unique)
    topic = small_disk.create(settings["topics"])
    for name in (settings["salient_topic"], f"{topic}.dlq"):
        small_disk.create(name)
    send(small_disk, topic, BAD)
    assert small_disk.committed("nobody", topic) < 0  # there is a topic of committed offsets from now on
    small_disk.fill(left=3 * MB)
    worker = start_worker(**settings, role="triage", format="json", fetch_records=200)
    wait_until(small_disk.has_ended, 90, "the broker gives up")
    small_disk.stop()
    wait_until(lambda: "The broker did not take" in worker.log(), 60, "the worker says so")
    says(worker.log(), "The broker did not take … records (…). Trying again in … s.")
    small_disk.clean_up()
    small_disk.start()
    done = len(BAD)
    wait_until(lambda: small_disk.committed(unique, topic) == done, 180, "all of it is committed")
    assert worker.stop() == 0
    assert dead_values(small_disk, topic) == BAD


def test_a_broker_that_answers_nothing_for_a_while_is_waited_for(
    tmp_path: Path, unique: str, start_worker: Start
) -> None:
    """Longer than a request (20 s) and the session of the group (15 s) last."""
    try:
        found = home()
    except KafkaError as error:
        pytest.skip(str(error))
    with RealKafka(found, tmp_path) as server:
        settings = settings_for(server, unique)
        topic = server.create(settings["topics"])
        send(server, topic, BAD)
        worker = start_worker(**settings, role="triage", format="json", fetch_records=50)
        wait_until(lambda: worker.metric("qualm_dead_letters_total") > 0, 60, "it is at work")
        assert server._process is not None
        server._process.send_signal(signal.SIGSTOP)
        wait_until(lambda: "The broker did not take" in worker.log(), 90, "the worker says so")
        server._process.send_signal(signal.SIGCONT)
        done = len(BAD)
        wait_until(lambda: server.committed(unique, topic) == done, 180, "all of it is committed")
        assert worker.stop() == 0
        assert dead_values(server, topic) == BAD
