"""rsyslogd and syslog-ng as processes that take RFC 5424 over TCP and write each message to topics.

On Debian they are in the packages ``rsyslog-kafka`` and ``syslog-ng-mod-rdkafka``. The two cannot be
installed together; ``dpkg -x`` unpacks packages into a folder, which ``QUALM_TEST_SYSLOG`` names.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from agents.demo.worker_process import free_port
from tests.integration.conftest import Broker, wait_until

ROOT = Path(os.environ.get("QUALM_TEST_SYSLOG", "/"))
START_SECONDS = 30

_RSYSLOG = """\
global(workDirectory="{directory}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="{escape}")
module(load="imtcp")
module(load="omkafka")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="all" type="string" string="%jsonmesg%")
template(name="named" type="list" option.jsonf="on") {{
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="severity" name="syslogseverity-text" format="jsonf")
  property(outname="program" name="programname" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}}
"""
_SYSLOG_NG = """\
@version: {version}
options {{ keep-hostname(yes); use-dns(no); dns-cache(no); log-msg-size(65536); }};
source s {{ syslog(ip("127.0.0.1") port({port}) transport("tcp")); }};
"""


@contextmanager
def rsyslog(directory: Path, broker: Broker, topics: Mapping[str, str], escape: bool) -> Iterator[int]:
    """Run rsyslogd; ``topics`` gives the template of each, ``""`` for omkafka's own. Yields its port."""
    program, modules = _found("rsyslogd", "omkafka.so", "rsyslog-kafka")
    port, config = free_port(), directory / "rsyslog.conf"
    text = _RSYSLOG.format(directory=directory, port=port, escape="on" if escape else "off")
    for topic, template in topics.items():
        chosen = f' template="{template}"' if template else ""
        text += f'action(type="omkafka" broker=["{broker.address}"] topic="{topic}"{chosen})\n'
    config.write_text(text, encoding="utf-8")
    pid = str(directory / "pid")
    yield from _running([program, "-n", "-f", str(config), "-i", pid, "-M", modules], port, directory)


@contextmanager
def syslog_ng(directory: Path, broker: Broker, topics: Mapping[str, str]) -> Iterator[int]:
    """Run syslog-ng; ``topics`` gives the template of each, ``""`` for kafka-c's own. Yields its port."""
    program, modules = _found("syslog-ng", "libkafka.so", "syslog-ng-mod-rdkafka")
    port, config = free_port(), directory / "syslog-ng.conf"
    # Its modules are in a folder of that name: 3.38
    text = _SYSLOG_NG.format(version=Path(modules).name, port=port)
    for topic, template in topics.items():
        chosen = f' message("{template}")' if template else ""
        text += (
            f'log {{ source(s); destination {{ kafka-c(bootstrap-servers("{broker.address}") '
            f'topic("{topic}"){chosen}); }}; }};\n'
        )
    config.write_text(text, encoding="utf-8")
    places = {"-R": "persist", "-p": "pid", "-c": "ctl"}
    options = [part for option, name in places.items() for part in (option, str(directory / name))]
    command = [program, "-F", "--no-caps", "-f", str(config), "--module-path", modules, *options]
    yield from _running(command, port, directory)


def send(port: int, messages: list[str]) -> None:
    """Send messages as RFC 6587 counts them, so that they may hold newlines."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for message in messages:
            content = message.encode()
            connection.sendall(b"%d %b" % (len(content), content))


def _found(program: str, module: str, package: str) -> tuple[str, str]:
    """A daemon and the folder of its modules, or the test is skipped saying what is missing."""
    path = ROOT / "usr" / "sbin" / program
    modules = [each.parent for each in ROOT.glob(f"usr/lib*/**/{module}")] if path.exists() else []
    if not modules:
        pytest.skip(
            f"needs {program} with {module} (Debian's {package}), installed or unpacked by dpkg -x into the "
            "folder that QUALM_TEST_SYSLOG names"
        )
    return str(path), str(modules[0])


def _running(command: list[str], port: int, directory: Path) -> Iterator[int]:
    environment = {**os.environ, "TZ": "UTC"}
    if Path("/") != ROOT:
        places = sorted({str(each.parent) for each in ROOT.glob("**/*.so.*")})
        environment["LD_LIBRARY_PATH"] = ":".join(places)
    log = directory / "daemon.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=directory)
    try:

        def listens() -> bool:
            if process.poll() is not None:
                pytest.fail(f"{command[0]} ended by itself:\n{log.read_text(errors='replace')[-3000:]}")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_until(listens, START_SECONDS, f"{command[0]} listens")
        yield port
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
