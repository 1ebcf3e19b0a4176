"""A real worker in a process of its own, as the demo starts it: its environment, its metrics, its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType

from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Metrics", "WorkerError", "WorkerProcess", "free_port"]

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 15.0  # then it is killed
LOG_LINES = 15  # of a dead worker, shown to the user


class WorkerError(RuntimeError):
    """The worker did not start, or ended when it should not; the text ends with its last log lines."""


class Metrics:
    """One reading of the metrics endpoint."""

    def __init__(self, text: str) -> None:
        self._samples = [s for family in text_string_to_metric_families(text) for s in family.samples]

    def total(self, name: str) -> float:
        """The sum of a metric over all its labels; 0 when it was never counted."""
        return sum(sample.value for sample in self._samples if sample.name == name)

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """The values of a metric by one of its labels."""
        values: dict[str, float] = {}
        for sample in self._samples:
            if sample.name == name:
                key = sample.labels[label]
                values[key] = values.get(key, 0.0) + sample.value
        return values


class WorkerProcess:
    """A context manager around ``qualm worker``.

    Args:
        folder: where it runs and where its log goes; a ``qualm.toml`` of the user is thereby not read.
        settings: ``QUALM_*`` variables. Those of the calling process are not passed on.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._log = folder / "worker.log"
        self._folder = folder
        self._port = free_port()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("QUALM_")}
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self._environment = inherited | {"PYTHONPATH": path, **settings}
        self._environment |= {"QUALM_METRICS_HOST": "127.0.0.1", "QUALM_METRICS_PORT": str(self._port)}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> WorkerProcess:
        """Start the process; it is not yet ready."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "agents.cli", "worker"],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the caller, who then stops the worker
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the process: SIGTERM, and SIGKILL when it does not listen."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None, "the worker is not started"
        return self._process.pid

    def check(self) -> None:
        """Raise WorkerError when the process has ended."""
        if self._process is None or (code := self._process.poll()) is None:
            return
        lines = self._log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        raise WorkerError(f"the worker ended with exit code {code}. Its last words:\n" + "\n".join(lines))

    def metrics(self) -> Metrics | None:
        """Read the metrics endpoint; None while it does not answer."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=5.0)
        try:
            connection.request("GET", "/metrics")
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, HTTPException, UnicodeDecodeError):
            return None
        finally:
            connection.close()
        return Metrics(text) if response.status == 200 else None

    def wait_ready(self, seconds: float) -> None:
        """Wait until the bundle is loaded and the metrics answer.

        Raises:
            WorkerError: it ended, or did not answer in time.
        """
        deadline = time.monotonic() + seconds
        while self.metrics() is None:
            self.check()
            if time.monotonic() > deadline:
                raise WorkerError(
                    f"the worker did not answer within {seconds:.0f} s. Its log is {self._log}."
                )
            time.sleep(0.1)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
