"""What rsyslog and syslog-ng write to a real Kafka, by their own templates and those that people choose."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.conftest import Broker, wait_until
from tests.integration.syslog_daemons import rsyslog, send, syslog_ng
from tests.integration.test_replay_topic import replayed
from tests.integration.topic_events import Said, read_topic

pytestmark = pytest.mark.kafka

NUMBERS = (21, 19, 18, 17, 13, 10, 9, 5)  # of syslog's 0 to 7: OpenTelemetry's log data model, appendix B
MESSAGES = (
    "order placed",
    "Zahlung abgelehnt: Kärntner Straße ☃",
    'slow query [812 ms]:\n  select *\n\tfrom "orders"',
)
WRITTEN = 40  # enough for a topic to be text for good
EAST = 2 * 3600  # seconds; half of the messages are of a zone that is ahead of UTC
START = float(int(time.time()) - 3 * 3600)  # of today, since some templates leave the year out


class Written(NamedTuple):
    """One message as a program logs it."""

    time: float
    level: int
    program: str
    request: str
    message: str
    east: int

    def rfc5424(self) -> str:
        zone = timezone(timedelta(seconds=self.east))
        stamp = datetime.fromtimestamp(self.time, zone).isoformat(timespec="microseconds")
        data = f'[origin ip="::1"][meta@32473 request_id="{self.request}" region="eu"]'
        return f"<{8 + self.level}>1 {stamp} web-1 {self.program} 812 ID47 {data} {self.message}"


def written(i: int) -> Written:
    program = ("checkout", "postgres")[i % 2]
    east = EAST * (i // 2 % 2)
    return Written(START + i + 0.25, i % 8, program, f"r-{i}", MESSAGES[i % 3], east)


MANY = [written(i) for i in range(WRITTEN)]


class Template(NamedTuple):
    """What a daemon is told to write, the format that it is found to be, and what it leaves out."""

    text: str
    format: str
    lost: frozenset[str] = frozenset()

    def expected(self, escaped: bool) -> list[Said]:
        def said(one: Written) -> Said:
            moment = one.time + (one.east if "zone" in self.lost else 0)
            message = one.message
            if escaped:  # as rsyslog does with control characters unless told not to
                message = message.replace("\n", "#012").replace("\t", "#011")
            return (
                float(int(moment)) if "fraction" in self.lost else moment,
                0 if "level" in self.lost else NUMBERS[one.level],
                one.program,
                "" if "request" in self.lost else one.request,
                message,
            )

        return [said(one) for one in MANY]


def lost(*what: str) -> frozenset[str]:
    return frozenset(what)


# https://www.rsyslog.com/doc/configuration/templates.html: the names of those that are built in
RSYSLOG = {
    "own": Template("", "text", lost("level", "request")),
    "rfc5424": Template("RSYSLOG_SyslogProtocol23Format", "text"),
    "forward": Template("RSYSLOG_ForwardFormat", "text", lost("request")),
    "traditional": Template(
        "RSYSLOG_TraditionalFileFormat", "text", lost("level", "request", "zone", "fraction")
    ),
    "named": Template("named", "json", lost("request")),
    "all": Template("all", "syslog_json"),
}
GELF = (  # $(format-gelf) of the package syslog-ng-scl, but for the time, which is that of receipt there
    "$(format-json --auto-cast --omit-empty-values version='1.1' host='${HOST:--}' short_message='${MSG:--}' "
    "level=int(${LEVEL_NUM}) timestamp=int64(${S_UNIXTIME}) _program='${PROGRAM}' _pid=int(${PID}) "
    "_facility='${FACILITY}' _class='${.classifier.class}' --key .* --key _*)$(binary 0x00)"
)
SYSLOG_NG = {
    "own": Template("", "text", lost("level", "request", "fraction")),
    "json": Template("$(format-json --scope rfc5424)", "syslog_json", lost("zone", "fraction")),
    "json_dated": Template(
        "$(format-json --scope rfc5424 --pair ISODATE=$ISODATE)", "syslog_json", lost("fraction")
    ),
    "rfc5424": Template(
        "<$PRI>1 $ISODATE $HOST $PROGRAM $PID ${MSGID:--} ${SDATA:--} $MSG", "text", lost("fraction")
    ),
    "gelf": Template(GELF, "gelf", lost("fraction")),
}


def holds(broker: Broker, topics: dict[str, Template], escaped: bool) -> None:
    """Every topic has exactly what was written, less what its template leaves out."""

    def here() -> bool:
        return all(broker.ends(topic) == {0: WRITTEN} for topic in topics)

    wait_until(here, 60, "every message in every topic")
    for topic, template in topics.items():
        found = read_topic(broker, topic)
        assert (found.format, found.failures) == (template.format, []), topic
        expected = template.expected(escaped)
        # librdkafka may change the order while a topic is new
        for got, said in zip(sorted(found.events), sorted(expected), strict=True):
            assert got == (pytest.approx(said[0], abs=1e-5), *said[1:]), topic


def created(broker: Broker, unique: str, templates: dict[str, Template]) -> dict[str, Template]:
    return {broker.create(f"{unique}-{name}"): template for name, template in templates.items()}


@pytest.mark.parametrize("escape", [True, False], ids=["escaped", "unescaped"])
def test_rsyslog(kafka: Broker, unique: str, tmp_path: Path, escape: bool) -> None:
    topics = created(kafka, unique, RSYSLOG)
    templates = {topic: template.text for topic, template in topics.items()}
    with rsyslog(tmp_path, kafka, templates, escape) as port:
        send(port, [one.rfc5424() for one in MANY])
        holds(kafka, topics, escaped=escape)


def test_syslog_ng(kafka: Broker, unique: str, tmp_path: Path) -> None:
    topics = created(kafka, unique, SYSLOG_NG)
    templates = {topic: template.text for topic, template in topics.items()}
    with syslog_ng(tmp_path, kafka, templates) as port:
        send(port, [one.rfc5424() for one in MANY])
        holds(kafka, topics, escaped=False)
    _, metrics = replayed(f"kafka://{kafka.address}/{unique}-json")
    assert (metrics["events"], metrics["entities"], metrics["dead_letters"]) == (WRITTEN, WRITTEN, {})
