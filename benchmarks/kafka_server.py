"""One Apache Kafka node (KRaft) on loopback, from a directory with Kafka's jars: for benches and tests."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from agents.demo.worker_process import free_port

HOW: Final = (
    "set KAFKA_HOME to an Apache Kafka 4 directory with libs/*.jar (Java 17 on the path), "
    "or QUALM_TEST_BROKER to host:port of a broker that may be written to"
)
START_SECONDS: Final = 60.0
HEAP: Final = "-Xmx384m"
_CLUSTER: Final = "MkU3OEVBNTcwNTJENDM2Qk"
# One node that is broker and controller; records of up to 8 MiB.
_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
socket.request.max.bytes=104857600
message.max.bytes=8388608
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
offsets.topic.num.partitions=2
transaction.state.log.num.partitions=2
group.initial.rebalance.delay.ms=0
log.cleaner.backoff.ms=200
log.segment.delete.delay.ms=100
"""


class KafkaError(RuntimeError):
    """Kafka cannot be started here; the text says why and what to do."""


def home() -> Path:
    """KAFKA_HOME. Raises KafkaError where it is no Kafka, or there is no Java."""
    named = os.environ.get("KAFKA_HOME")
    if not named:
        raise KafkaError(f"needs a real Kafka: {HOW}")
    if not list(Path(named).glob("libs/*.jar")) or shutil.which("java") is None:
        raise KafkaError(f"KAFKA_HOME={named} has no libs/*.jar, or there is no java: {HOW}")
    return Path(named)


class KafkaServer:
    """A node with its data in a directory of its own; it can be stopped and started again.

    more: lines of properties, which override the usual ones; {port} and {controller} are those in use.
    """

    def __init__(self, home: Path, directory: Path, more: str = "") -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._home = home
        self._directory = directory
        self._more = more
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "KafkaServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the node and wait until it answers. Raises KafkaError."""
        properties = self._directory / "server.properties"
        if not properties.exists():
            port = self.address.rpartition(":")[2]
            text = (_PROPERTIES + self._more).format(
                port=port, controller=free_port(), data=self._directory / "data"
            )
            properties.write_text(text, encoding="utf-8")
            command = self._java("kafka.tools.StorageTool", "format", "-c", str(properties), "-t", _CLUSTER)
            subprocess.run(command, check=True, capture_output=True)
        with (self._directory / "kafka.log").open("ab") as log:
            command = self._java("kafka.Kafka", str(properties))
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise KafkaError(f"Kafka does not answer; its log is {self._directory}/kafka.log")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the node; stopping twice does nothing."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Kill the node, as a crash would; `start` recovers its logs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _java(self, *arguments: str) -> list[str]:
        return ["java", HEAP, "-cp", f"{self._home}/libs/*", *arguments]

    def _answers(self) -> bool:
        try:
            AdminClient({"bootstrap.servers": self.address, "log_level": 0}).list_topics(timeout=1)
        except KafkaException:
            return False
        return True
