"""Real bytes that others wrote: files of CloudTrail, lines of Apache httpd, records of logging libraries.

The README beside the files says where they are from. Records are of the versions named; some are cut.
"""

import gzip
import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.events import EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions

SAMPLES = Path(__file__).parents[4] / "shared" / "data" / "samples" / "formats"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not here")


@needs_samples
@pytest.mark.parametrize("path", sorted(SAMPLES.glob("cloudtrail-*.json")), ids=lambda path: path.name)
def test_files_of_cloudtrail(path: Path) -> None:
    raw = path.read_bytes()
    content = json.loads(raw)
    content = content["Records"] if isinstance(content, dict) else content
    for value in (raw, gzip.compress(raw)):
        decoder = TopicDecoder(ReadOptions())
        found = decoder.decode([value], [0], [None])
        assert (decoder.format, found.failures) == ("cloudtrail", [])
        events = found.events
        assert events.source == [each["eventSource"] for each in content]
        assert not any(math.isnan(time) for time in events.time)
        assert [severity > 9 for severity in events.severity] == ["errorCode" in each for each in content]
        assert all(events.entity)
        assert all(m.startswith(e["eventName"] + " ") for m, e in zip(events.message, content, strict=True))


def decoded(name: str) -> tuple[list[str], EventBatch]:
    """The lines of a sample and their events; every line is one, and none fails."""
    lines = (SAMPLES / name).read_text(encoding="utf-8").splitlines()
    decoder = TopicDecoder(ReadOptions())
    found = decoder.decode([line.encode() for line in lines], range(len(lines)), [None] * len(lines))
    assert (decoder.format, found.failures) == ("text", [])
    assert found.events.offset == list(range(len(lines)))
    return lines, found.events


@needs_samples
def test_two_thousand_lines_of_an_access_log() -> None:
    lines, events = decoded("apache_access.log")
    clocks = [line.split("[", 1)[1].split("]", 1)[0] for line in lines]
    assert events.time == [datetime.strptime(each, "%d/%b/%Y:%H:%M:%S %z").timestamp() for each in clocks]
    # '"' cannot stand inside a request but behind a backslash
    statuses = [int(line.replace('\\"', "").split('"')[2].split()[0]) for line in lines]
    assert {200, 301, 404, 400} <= set(statuses)
    assert events.severity == [17 if each >= 500 else 13 if each >= 400 else 9 for each in statuses]
    requests = [line.replace('\\"', "").split('"')[1].split(" ") for line in lines]
    usual = [i for i, each in enumerate(requests) if len(each) == 3 and "\\" not in "".join(each)]
    assert len(usual) > 1_900
    for i in usual:
        assert events.message[i].startswith(f"{requests[i][0]} {requests[i][1].partition('?')[0]}")
    assert set(events.source) == {"unknown"}  # no virtual host in them


@needs_samples
def test_two_thousand_lines_of_an_error_log() -> None:
    lines, events = decoded("apache_error.log")
    whole = [i for i, line in enumerate(lines) if line.startswith("[")]
    assert len(whole) == 1_999  # one has lost its first bracket
    numbers = {"notice": 10, "warn": 13, "error": 17}
    for i in whole:
        stamp, about, _ = lines[i].split("] ", 2)
        layout = "[%a %b %d %H:%M:%S.%f %Y%z" if "." in stamp else "[%a %b %d %H:%M:%S %Y%z"
        time = datetime.strptime(f"{stamp}+0000", layout).timestamp()
        module, _, level = about.lstrip("[").rpartition(":")
        said = events.time[i], events.severity[i], events.source[i]
        assert said == (pytest.approx(time, abs=1e-5), numbers[level], module or "httpd")
        assert lines[i].endswith(events.message[i])
        assert not events.message[i].startswith("[")


SAID = "Zahlung 7 abgelehnt: K\u00e4rntner Stra\u00dfe \u2603"
AT = 1_795_631_141.0  # 2026-11-25T18:25:41Z
RECORDS: dict[str, tuple[str, str, tuple[Any, ...]]] = {
    "ecs-logging 2.3.0": (
        r'{"@timestamp":"2026-11-25T18:25:41.686Z","log.level":"error","message":"Zahlung 7 abgelehnt: '
        r'K\u00e4rntner Stra\u00dfe \u2603","ecs.version":"1.6.0","latency_ms":12.5,"log":{"logger":'
        r'"shop.cart","origin":{"file":{"line":7,"name":"w.py"},"function":"run"},"original":"Zahlung"},'
        r'"process":{"name":"MainProcess","pid":3234},"request_id":"r-7"}',
        "ecs", (AT + 0.686, 17, "shop.cart", "r-7", SAID, {"latency_ms": 12.5}),
    ),
    "python-json-logger 4.2.0": (
        r'{"asctime": "2026-11-25 18:25:41,704", "levelname": "ERROR", "name": "shop.cart", "message": '
        r'"Zahlung 7 abgelehnt: K\u00e4rntner Stra\u00dfe \u2603", "request_id": "r-7", "latency_ms": 12.5}',
        "json", (AT + 0.704, 17, "shop.cart", "r-7", SAID, {"latency_ms": 12.5}),
    ),
    "structlog 26.1.0": (
        '{"request_id": "r-1", "ms": 3.5, "event": "slow", "level": "warning", '
        '"timestamp": "2026-11-25T18:25:41.784755Z"}',
        "json", (AT + 0.784755, 13, "unknown", "r-1", "slow", {"ms": 3.5}),
    ),
    "loguru 0.7.3, serialize": (
        r'{"text": "2026-11-25 18:25:41.838 | ERROR    | __main__:<module>:18 - refused 7\n", "record": {'
        r'"elapsed": {"repr": "0:00:00.024408", "seconds": 0.024408}, "exception": null, "extra": {'
        r'"request_id": "r-9"}, "file": {"name": "w.py", "path": "/app/w.py"}, "function": "f", "level": '
        r'{"name": "ERROR", "no": 40}, "message": "refused 7", "module": "w", "name": "__main__", '
        r'"time": {"repr": "2026-11-25 18:25:41.838659+00:00", "timestamp": 1795631141.838659}}}',
        "json", (AT + 0.838659, 17, "__main__", "r-9", "refused 7", None),
    ),
    "loguru 0.7.3": (
        "2026-11-25 18:25:41.917 | ERROR    | __main__:<module>:19 - refused 7",
        "auto", (AT + 0.917, 17, "unknown", "", "__main__:<module>:19 - refused 7", None),
    ),
    "pino 10.4.0": (
        '{"level":50,"time":1795631252109,"pid":5319,"hostname":"vm","name":"shop","request_id":"r-7","ms":12.5,'
        '"msg":"Zahlung abgelehnt ☃"}',
        "json", (AT + 111.109, 17, "shop", "r-7", "Zahlung abgelehnt ☃", {"pid": 5319.0, "ms": 12.5}),
    ),
    "bunyan 2.0.5": (
        '{"name":"shop","hostname":"vm","pid":5319,"level":40,"req_id":"r-8","msg":"slow",'
        '"time":"2026-11-25T18:27:32.118Z","v":0}',
        "json", (AT + 111.118, 13, "shop", "r-8", "slow", {"pid": 5319.0, "v": 0.0}),
    ),
    "winston 3.19.0": (
        '{"level":"error","message":"refused","request_id":"r-9","service":"shop",'
        '"timestamp":"2026-11-25T18:27:32.127Z"}',
        "json", (AT + 111.127, 17, "shop", "r-9", "refused", None),
    ),
    "pygelf 0.4.3": (
        '{"version":"1.1","short_message":"refused","timestamp":1714566896.25,"level":3,"host":"vm",'
        '"_stack_info":null,"_request_id":"r-7"}\0',
        "gelf", (1_714_566_896.25, 17, "vm", "r-7", "refused", None),
    ),
    "journalctl 252": (
        '{"_PID":"812","PRIORITY":"3","SYSLOG_IDENTIFIER":"checkout","_HOSTNAME":"web-1","__CURSOR":"s=88",'
        '"__REALTIME_TIMESTAMP":"1714566896250000","REQUEST_ID":"r-7","MESSAGE":"Zahlung 7 abgelehnt: '
        'Kärntner Straße ☃","__MONOTONIC_TIMESTAMP":"94512345","_BOOT_ID":"91e2b3c4"}',
        "journald", (1_714_566_896.25, 17, "checkout", "r-7", SAID, None),
    ),
    "journalctl 252, not UTF-8 and a field twice": (
        '{"SYSLOG_IDENTIFIER":"checkout","REQUEST_ID":["a","b"],"MESSAGE":[99,97,102,233,32,27,91,51,49,109,114,101,'
        '100],"PRIORITY":"4","__REALTIME_TIMESTAMP":"1714566898250000","_HOSTNAME":"web-1","_PID":"812"}',
        "journald", (1_714_566_898.25, 13, "checkout", "", "caf\ufffd \x1b[31mred", None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("writer", RECORDS)
def test_records_of_libraries_and_tools(writer: str) -> None:
    value, form, expected = RECORDS[writer]
    decoder = TopicDecoder(ReadOptions())
    found = decoder.decode([value.encode()], [0], [None])
    assert (decoder.format, found.failures) == (form, [])
    events = found.events
    row = events.severity[0], events.source[0], events.entity[0], events.message[0], events.numbers[0]
    assert (events.time[0], *row) == (pytest.approx(expected[0], abs=1e-6), *expected[1:])
