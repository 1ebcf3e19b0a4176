"""Microseconds of an event in each format, from bytes to a row: `python -m benchmarks.formats`.

The events are made up, alike in all formats, one a record; a hundred where a format is meant for many.
Formats take turns, and the fastest turn counts, because a shared machine is only ever slowed down.
"""

import gzip
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any, Final

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from benchmarks.table import show
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions

EVENTS: Final = 2_000
MANY: Final = 100
TURNS: Final = 40
START: Final = 1_714_566_896

Object = dict[str, Any]


def _event(i: int) -> tuple[float, str, str, str]:
    """Time, service, trace and message."""
    message = f"payment {i} of user {7 * i % 900} accepted in {i % 90} ms"
    return START + i / 100, f"service-{i % 7}", f"{i // 5:032x}", message


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(i: int) -> Object:
    moment, service, trace, message = _event(i)
    said = {"timestamp": _clock(moment), "level": "INFO", "service": service, "message": message}
    return said | {"trace_id": trace, "latency_ms": i % 90}


def _ecs(i: int) -> Object:
    moment, service, trace, message = _event(i)
    said: Object = {"@timestamp": _clock(moment), "ecs": {"version": "8.11.0"}, "log": {"level": "info"}}
    return said | {"service": {"name": service}, "trace": {"id": trace}, "message": message}


def _kubernetes(i: int) -> Object:
    service = _event(i)[1]
    return {"pod_name": f"{service}-7d9-x2", "namespace_name": "shop", "container_name": service}


def _fluent_bit(i: int, line: str) -> Object:
    return {"@timestamp": _event(i)[0], "log": line, "stream": "stdout", "kubernetes": _kubernetes(i)}


def _vector(i: int) -> Object:
    said = {"timestamp": _clock(_event(i)[0]), "source_type": "kubernetes_logs", "message": _line(i)}
    return said | {"kubernetes": _kubernetes(i), "stream": "stdout", "file": "/var/log/pods/x/0.log"}


def _gelf(i: int) -> Object:
    moment, service, trace, message = _event(i)
    said = {"version": "1.1", "host": service, "short_message": message, "timestamp": moment, "level": 6}
    return said | {"_trace_id": trace, "_latency_ms": i % 90}


def _journald(i: int) -> Object:
    moment, service, _, message = _event(i)
    said = {"__REALTIME_TIMESTAMP": str(int(moment * 1e6)), "PRIORITY": "6", "SYSLOG_IDENTIFIER": service}
    return said | {"_PID": "812", "_HOSTNAME": "web-1", "_TRANSPORT": "stdout", "MESSAGE": message}


def _syslog_json(i: int) -> Object:
    moment, service, trace, message = _event(i)
    said = {"PROGRAM": service, "PRIORITY": "info", "PID": "812", "HOST": "web-1", "FACILITY": "user"}
    data = {"meta@32473": {"trace_id": trace}}
    return said | {"_SDATA": data, "MESSAGE": message, "ISODATE": _clock(moment)}


def _audit(i: int) -> Object:
    about = {"resource": "pods", "namespace": "shop", "name": f"web-{i}", "apiVersion": "v1"}
    said: Object = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "stage": "ResponseComplete",
        "verb": "get",
    }
    said |= {"stageTimestamp": _clock(_event(i)[0]), "userAgent": "kubectl/v1.29.0", "auditID": f"{i:032x}"}
    return said | {"objectRef": about, "user": {"username": "mary"}, "responseStatus": {"code": 200}}


def _cloudtrail(i: int) -> Object:
    said = {"eventVersion": "1.08", "eventTime": _clock(_event(i)[0]), "eventSource": "s3.amazonaws.com"}
    said |= {"eventName": "GetObject", "awsRegion": "eu-west-1", "sourceIPAddress": f"192.0.2.{i % 250}"}
    who = {"type": "IAMUser", "arn": f"arn:aws:iam::123456789012:user/u{i % 90}"}
    return said | {"userIdentity": who, "userAgent": "aws-cli/2.13.5", "requestID": f"{i:016X}"}


def _gcp(i: int) -> Object:
    moment, service, trace, message = _event(i)
    said: Object = {"logName": "projects/p/logs/stdout", "timestamp": _clock(moment), "severity": "INFO"}
    said |= {"resource": {"type": "k8s_container", "labels": {"container_name": service}}, "insertId": str(i)}
    return said | {"jsonPayload": {"message": message}, "trace": f"projects/p/traces/{trace}"}


def _azure(i: int) -> Object:
    moment, service, trace, message = _event(i)
    said = {"time": _clock(moment), "resourceId": f"/SUBSCRIPTIONS/S/SITES/{service}"}
    said |= {
        "level": "Informational",
        "category": "FunctionAppLogs",
        "operationName": "write",
        "correlationId": trace,
    }
    return said | {"properties": {"message": message}}


def _line(i: int) -> str:
    moment, _, _, message = _event(i)
    return f"{_clock(moment)} INFO {message}"


def _stamp(i: int, form: str) -> str:
    return datetime.fromtimestamp(_event(i)[0], UTC).strftime(form)


def _access(i: int) -> str:
    address, when = f"10.0.{i % 7}.{i % 250}", _stamp(i, "%d/%b/%Y:%H:%M:%S +0000")
    return f'{address} - - [{when}] "GET /pay/{i} HTTP/1.1" 200 {i % 900} "-" "curl/8.0"'


def _rfc5424(i: int) -> str:
    moment, service, trace, message = _event(i)
    return f'<14>1 {_clock(moment)} host {service} 4711 - [a trace_id="{trace}"] {message}'


def _logfmt(i: int) -> str:
    moment, service, trace, message = _event(i)
    return f'time={_clock(moment)} level=info service={service} trace_id={trace} msg="{message}"'


def _apache(i: int) -> str:
    when = _stamp(i, "%a %b %d %H:%M:%S.%f %Y")
    return f"[{when}] [core:error] [pid 4711:tid 1] [client 10.0.0.1:80] {_event(i)[3]}"


# Families of text lines; the service stands where the family has a place for it.
LINES: Final[dict[str, Callable[[int], str]]] = {
    "text": _line,
    "text, RFC 5424": _rfc5424,
    "text, RFC 3164": lambda i: (
        f"<14>{_stamp(i, '%b %d %H:%M:%S')} host {_event(i)[1]}[4711]: {_event(i)[3]}"
    ),
    "text, klog": lambda i: f"I{_stamp(i, '%m%d %H:%M:%S.%f')}    4711 pay.go:{i % 7}] {_event(i)[3]}",
    "text, logfmt": _logfmt,
    "text, container": lambda i: f"{_clock(_event(i)[0])} stdout F {_line(i)}",
    "text, access log": _access,
    "text, Apache error log": _apache,
}


def _cloudwatch(first: int) -> bytes:
    events = [
        {"id": str(i), "timestamp": int(_event(i)[0] * 1000), "message": _line(i)} for i in _many(first)
    ]
    about = {"messageType": "DATA_MESSAGE", "logGroup": "/aws/lambda/checkout", "logStream": "a"}
    return gzip.compress(orjson.dumps(about | {"logEvents": events}))


def _otlp(first: int) -> bytes:
    records = []
    for i in _many(first):
        moment, _, trace, message = _event(i)
        about = [{"key": "latency_ms", "value": {"intValue": str(i % 90)}}]
        said = {"timeUnixNano": str(int(moment * 1e9)), "severityNumber": 9, "traceId": trace}
        records.append(said | {"body": {"stringValue": message}, "attributes": about})
    service = [{"key": "service.name", "value": {"stringValue": _event(first)[1]}}]
    group = {"resource": {"attributes": service}, "scopeLogs": [{"logRecords": records}]}
    return orjson.dumps({"resourceLogs": [group]})


def _otlp_proto(first: int) -> bytes:
    records = []
    for i in _many(first):
        moment, _, trace, message = _event(i)
        said: Object = {"time_unix_nano": int(moment * 1e9), "severity_number": 9}
        about = [{"key": "latency_ms", "value": {"int_value": i % 90}}]
        said |= {"trace_id": bytes.fromhex(trace), "body": {"string_value": message}, "attributes": about}
        records.append(LogRecord(**said))
    service = KeyValue(key="service.name", value=AnyValue(string_value=_event(first)[1]))
    logs = ResourceLogs(resource=Resource(attributes=[service]), scope_logs=[ScopeLogs(log_records=records)])
    packed: bytes = LogsData(resource_logs=[logs]).SerializeToString()
    return packed


def _many(first: int) -> range:
    return range(first, first + MANY)


def _message_pack(i: int) -> bytes:
    from msgpack import packb

    packed: bytes = packb(_json(i))
    return packed


ONE: Final[dict[str, Callable[[int], Object]]] = {
    "json": _json,
    "ecs": _ecs,
    "fluentbit, JSON inside": lambda i: _fluent_bit(i, orjson.dumps(_json(i)).decode()),
    "fluentbit, text inside": lambda i: _fluent_bit(i, _line(i)),
    "vector": _vector,
    "gelf": _gelf,
    "journald": _journald,
    "syslog_json": _syslog_json,
    "k8s_audit": _audit,
    "cloudtrail": _cloudtrail,
    "gcp": _gcp,
    "azure": _azure,
}
OTHER: Final[dict[str, tuple[int, Callable[[int], bytes]]]] = {
    "otlp": (MANY, _otlp),
    "otlp_proto": (MANY, _otlp_proto),
    "otlp_proto, gzip": (MANY, lambda first: gzip.compress(_otlp_proto(first))),
    "cloudwatch, gzip": (MANY, _cloudwatch),
}


def records() -> dict[str, list[bytes]]:
    """Records of every format that hold EVENTS events."""
    found = {name: [orjson.dumps(make(i)) for i in range(EVENTS)] for name, make in ONE.items()}
    found |= {name: [make(i).encode() for i in range(EVENTS)] for name, make in LINES.items()}
    found |= {name: [make(i) for i in range(0, EVENTS, step)] for name, (step, make) in OTHER.items()}
    if find_spec("msgpack"):
        found["msgpack"] = [_message_pack(i) for i in range(EVENTS)]
    return found


def run(turns: int = TURNS) -> list[dict[str, Any]]:
    """Rows {format, events_per_record, bytes, microseconds, times_json}; the last three for each event.

    Raises RuntimeError where a record is not read as what it is.
    """
    values = records()
    decoders = {name: TopicDecoder(ReadOptions()) for name in values}
    best = dict.fromkeys(values, float("inf"))
    for _ in range(turns):
        for name, each in values.items():
            numbers, times = range(len(each)), [START + 3_600.0] * len(each)
            start = time.process_time()
            decoded = decoders[name].decode(each, numbers, times)
            best[name] = min(best[name], time.process_time() - start)
            if len(decoded.events) != EVENTS or decoders[name].format not in (name.partition(",")[0], "auto"):
                raise RuntimeError(f"{name} was read as {decoders[name].format}: {decoded.failures[:1]}")
    return [
        {
            "format": name, "events_per_record": EVENTS // len(each), "bytes": sum(map(len, each)) / EVENTS,
            "microseconds": 1e6 * best[name] / EVENTS, "times_json": best[name] / best["json"],
        }
        for name, each in values.items()
    ]  # fmt: skip


if __name__ == "__main__":
    show(run())
