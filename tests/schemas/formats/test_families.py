"""Formats of collectors and clouds: a record of each as its maker documents it, and what is taken from it."""

import base64
import copy
import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import EventBatch
from schemas.formats.detection import Decoded, TopicDecoder
from schemas.formats.options import ReadOptions

NOON = 1_714_566_896.0  # 2024-05-01T12:34:56Z


def decode(*records: Any, time: float | None = None, **options: Any) -> Decoded:
    values = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
    decoder = TopicDecoder(ReadOptions(**options))
    return decoder.decode(values, range(len(values)), [time] * len(values))


def form(record: Any) -> str:
    decoder = TopicDecoder(ReadOptions())
    decoder.decode([json.dumps(record).encode()], [0], [None])
    return decoder.format


def read(*records: Any, time: float | None = None, **options: Any) -> EventBatch:
    found = decode(*records, time=time, **options)
    assert found.failures == []
    return found.events


# https://go2docs.graylog.org/current/getting_in_log_data/gelf.html
GELF = {
    "version": "1.1",
    "host": "example.org",
    "short_message": "A short message that helps you identify what is going on",
    "full_message": "Backtrace here\n\nmore stuff",
    "timestamp": NOON + 0.307,
    "level": 3,
    "_user_id": 9001,
    "_some_info": "foo",
}
# journalctl -o json of systemd 252
JOURNALD = {
    "__CURSOR": "s=b1;i=2a;b=91;m=5e;t=61;x=f0",
    "__REALTIME_TIMESTAMP": "1714566896500000",
    "__MONOTONIC_TIMESTAMP": "94512345",
    "_BOOT_ID": "91e2b3c4d5e6f708192a3b4c5d6e7f80",
    "PRIORITY": "3",
    "SYSLOG_IDENTIFIER": "sshd",
    "_SYSTEMD_UNIT": "ssh.service",
    "_HOSTNAME": "web-1",
    "_PID": "812",
    "_TRANSPORT": "syslog",
    "MESSAGE": "error: kex_exchange_identification: Connection closed by remote host",
}
# $(format-json --scope rfc5424) of syslog-ng 3.38, as tests/integration/test_syslog_writers.py has it write
SYSLOG_NG = {
    "_SDATA": {"origin": {"ip": "::1"}, "meta@32473": {"request_id": "r-7"}},
    "PROGRAM": "checkout", "PRIORITY": "err", "PID": "812", "MSGID": "ID47", "MESSAGE": "payment refused",
    "HOST": "web-1", "FACILITY": "user", "DATE": "May  1 12:34:56",
}  # fmt: skip
# %jsonmesg% of rsyslog 8.2302, the same way
RSYSLOG = {
    "msg": "payment refused", "rawmsg": "<11>1 2024-05-01T14:34:56.25+02:00 web-1 checkout 812 - - refused",
    "timereported": "2024-05-01T14:34:56.25+02:00", "hostname": "web-1", "syslogtag": "checkout[812]",
    "inputname": "imtcp", "fromhost": "localhost", "fromhost-ip": "127.0.0.1", "pri": "11",
    "syslogfacility": "1", "syslogseverity": "3", "timegenerated": "2024-05-01T12:40:00.340901+00:00",
    "programname": "checkout", "protocol-version": "1", "structured-data": '[meta@32473 request_id="r-7"]',
    "app-name": "checkout", "procid": "812", "msgid": "-", "uuid": None, "$!": None,
}  # fmt: skip
# https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
AUDIT = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Metadata",
    "auditID": "e5a4b2f0-6d5f-4c8e-9a1b-3f2e1d0c9b8a",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/shop/secrets/db",
    "verb": "get",
    "user": {"username": "system:serviceaccount:shop:web", "groups": ["system:authenticated"]},
    "sourceIPs": ["10.0.0.7"],
    "userAgent": "kubectl/v1.29.0 (linux/amd64) kubernetes/3f7a50f",
    "objectRef": {"resource": "secrets", "namespace": "shop", "name": "db", "apiVersion": "v1"},
    "responseStatus": {"metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403},
    "requestReceivedTimestamp": "2024-05-01T12:34:56.000000Z",
    "stageTimestamp": "2024-05-01T12:34:56.250000Z",
}
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html
CLOUDTRAIL = {
    "eventVersion": "1.08",
    "userIdentity": {
        "type": "IAMUser",
        "principalId": "EXAMPLE6E4XEGITWATV6R",
        "arn": "arn:aws:iam::123456789012:user/Mary_Major",
        "accountId": "123456789012",
        "userName": "Mary_Major",
    },
    "eventTime": "2024-05-01T12:34:56Z",
    "eventSource": "cloudtrail.amazonaws.com",
    "eventName": "UpdateTrail",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "192.0.2.0",
    "userAgent": "aws-cli/2.13.5 Python/3.11.4 Linux/4.14.255",
    "errorCode": "TrailNotFoundException",
    "errorMessage": "Unknown trail: myTrail2 for the user: 123456789012",
    "requestParameters": {"name": "myTrail2"},
    "responseElements": None,
    "requestID": "28d2faaf-3319-4649-998d-EXAMPLE72818",
    "eventID": "694d604a-d190-4470-8dd1-EXAMPLEe20c1",
    "readOnly": False,
    "eventType": "AwsApiCall",
}
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
CLOUDWATCH = {
    "owner": "111111111111",
    "logGroup": "/aws/lambda/checkout",
    "logStream": "2024/05/01/[$LATEST]d4",
    "subscriptionFilters": ["Destination"],
    "messageType": "DATA_MESSAGE",
    "logEvents": [
        {"id": "3195310660696698337880902507980421114328961542429", "timestamp": 1714566896500,
         "message": "2024-05-01T12:34:56.250Z ERROR payment refused\n"},
        {"id": "3195310660696698337880902507980421114328961542430", "timestamp": 1714566897000,
         "message": '{"level":"warn","msg":"retry","request_id":"r7"}'},
        {"id": "3195310660696698337880902507980421114328961542431", "timestamp": 1714566898000,
         "message": "nothing to say of itself"},
    ],
}  # fmt: skip
# https://cloud.google.com/logging/docs/structured-logging
GCP = {
    "insertId": "42",
    "jsonPayload": {"message": "There was an error in the application.", "times": 2},
    "httpRequest": {"requestMethod": "GET", "status": 503, "responseSize": "2450", "latency": "0.25s"},
    "resource": {
        "type": "k8s_container",
        "labels": {
            "container_name": "hello-app",
            "pod_name": "hello-app-6db-x1",
            "namespace_name": "default",
        },
    },
    "timestamp": "2024-05-01T12:34:56.250000001Z",
    "severity": "WARNING",
    "labels": {"k8s-pod/app": "hello"},
    "logName": "projects/my-projectid/logs/stderr",
    "trace": "projects/my-projectid/traces/06796866738c859f2f19b7cfb3214824",
    "receiveTimestamp": "2024-05-01T12:34:58.0Z",
}
# https://learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema
AZURE = {
    "time": "2024-05-01T12:34:56.2500000Z",
    "resourceId": "/SUBSCRIPTIONS/S/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.COMPUTE/VIRTUALMACHINES/VM-1",
    "operationName": "Microsoft.Compute/virtualMachines/start/action",
    "category": "Administrative",
    "resultType": "Failure",
    "durationMs": "309",
    "correlationId": "f1e2d3c4-b5a6-4788-99aa-bbccddeeff00",
    "level": "Error",
    "properties": {"statusCode": "Conflict"},
}
# https://www.elastic.co/docs/reference/beats/filebeat, a container's line
FILEBEAT = {
    "@timestamp": "2024-05-01T12:34:57.000Z",
    "@metadata": {"beat": "filebeat", "type": "_doc", "version": "8.13.0"},
    "ecs": {"version": "8.0.0"},
    "agent": {"type": "filebeat", "name": "node-1"},
    "host": {"name": "node-1"},
    "log": {"offset": 4711, "file": {"path": "/var/log/containers/pay-1.log"}},
    "kubernetes": {
        "container": {"name": "pay"},
        "pod": {"name": "pay-7d9-x2"},
        "labels": {"app": "payments"},
    },
    "http": {"response": {"status_code": 503}},
    "message": "2024-05-01 12:34:56,250 [main] WARN com.acme.Pay - slow",
}
# https://docs.fluentbit.io/manual/pipeline/filters/kubernetes
FLUENT_BIT = {
    "@timestamp": NOON + 1,
    "log": '{"ts":"2024-05-01T12:34:56Z","level":"error","msg":"refused","trace_id":"t1","ms":12.5}\n',
    "stream": "stderr",
    "kubernetes": {
        "pod_name": "pay-7d9-x2", "namespace_name": "shop", "container_name": "pay",
        "labels": {"pod-template-hash": "7d9"},
    },
}  # fmt: skip
# https://vector.dev/docs/reference/configuration/sources/file/
VECTOR = {
    "file": "/var/log/apache/access.log",
    "host": "my-host.local",
    "message": "2024-05-01T12:34:56Z ERROR no route to host",
    "source_type": "file",
    "timestamp": "2024-05-01T12:34:58Z",
}

SUBJECT = "arn:aws:iam::123456789012:user/Mary_Major"
EXPECTED: list[tuple[str, Any, tuple[float, int, str, str, str], dict[str, float] | None]] = [
    ("gelf", GELF,
     (NOON + 0.307, 17, "example.org", "", "A short message that helps you identify what is going on"),
     {"user_id": 9001.0}),
    ("journald", JOURNALD,
     (NOON + 0.5, 17, "sshd", "", "error: kex_exchange_identification: Connection closed by remote host"),
     None),
    ("syslog_json", SYSLOG_NG | {"ISODATE": "2024-05-01T14:34:56+02:00"},
     (NOON, 17, "checkout", "r-7", "payment refused"), None),
    ("syslog_json", RSYSLOG, (NOON + 0.25, 17, "checkout", "r-7", "payment refused"), None),
    ("k8s_audit", AUDIT,
     (NOON + 0.25, 13, "system:serviceaccount:shop:web", "secrets/shop/db",
      "get secrets 403 Forbidden namespace=shop by=system:serviceaccount:shop:web agent=kubectl"), None),
    ("cloudtrail", CLOUDTRAIL,
     (NOON, 13, "cloudtrail.amazonaws.com", SUBJECT,
      "UpdateTrail error=TrailNotFoundException by=IAMUser region=us-east-1 from=192.0.2.0 agent=aws-cli"),
     None),
    ("gcp", GCP,
     (NOON + 0.25, 13, "hello", "06796866738c859f2f19b7cfb3214824", "There was an error in the application."),
     {"times": 2.0}),
    ("azure", {"records": [AZURE]},
     (NOON + 0.25, 17, "vm-1", "f1e2d3c4-b5a6-4788-99aa-bbccddeeff00",
      "Microsoft.Compute/virtualMachines/start/action Failure Administrative"), {"durationMs": 309.0}),
    ("ecs", FILEBEAT, (NOON + 0.25, 13, "payments", "", "slow"), {"http.response.status_code": 503.0}),
    ("fluentbit", FLUENT_BIT, (NOON, 17, "pay", "t1", "refused"), {"ms": 12.5}),
    ("vector", VECTOR, (NOON, 17, "/var/log/apache/access.log", "", "no route to host"), None),
]  # fmt: skip


def row(events: EventBatch, i: int = 0) -> tuple[float, int, str, str, str]:
    return events.time[i], events.severity[i], events.source[i], events.entity[i], events.message[i]


@pytest.mark.parametrize(
    ("name", "record", "expected", "numbers"), EXPECTED, ids=[each[0] for each in EXPECTED]
)
def test_what_is_taken_from_a_record(
    name: str, record: Any, expected: tuple[float, int, str, str, str], numbers: dict[str, float] | None
) -> None:
    assert form(record) == name
    events = read(record)
    assert len(events) == 1
    assert row(events) == (pytest.approx(expected[0], abs=1e-6), *expected[1:])
    assert events.numbers == [numbers]


@pytest.mark.parametrize("level", range(8))
def test_the_levels_of_gelf_and_the_journal_are_those_of_syslog(level: int) -> None:
    numbers = [21, 19, 18, 17, 13, 10, 9, 5]  # log data model of OpenTelemetry, appendix B
    assert read(GELF | {"level": level}).severity == [numbers[level]]
    assert read(JOURNALD | {"PRIORITY": str(level), "MESSAGE": "x"}).severity == [numbers[level]]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ([*b"caf\xc3\xa9 \xff"], "café \ufffd"),
        (["said", "twice"], "said twice"),
        ([[*b"one"], "two"], "one two"),
    ],
)
def test_a_message_of_the_journal_may_be_bytes_or_several(message: Any, expected: str) -> None:
    assert read(JOURNALD | {"MESSAGE": message}).message == [expected]


def test_a_journal_entry_without_a_message_is_its_fields() -> None:
    assert '"_PID":"812"' in read(JOURNALD | {"MESSAGE": None}).message[0]


def test_a_level_in_front_of_a_message_counts_and_one_within_does_not() -> None:
    front = {"PRIORITY": "6", "MESSAGE": "2024-05-01T12:34:56Z ERROR disk full"}
    within = {"PRIORITY": "6", "MESSAGE": "the final state was ERROR again"}
    assert row(read(JOURNALD | front))[1:] == (17, "sshd", "", "disk full")
    assert row(read(JOURNALD | within))[1:] == (9, "sshd", "", "the final state was ERROR again")


def test_a_line_has_nothing_of_the_line_before() -> None:
    about = {"__REALTIME_TIMESTAMP": "1714566896500000"}
    events = read(
        about | {"MESSAGE": "2024-05-01T12:34:56Z ERROR com.acme.Shop - sold"}, about | {"MESSAGE": "x"}
    )
    assert events.source == ["com.acme.Shop", "unknown"]


def test_an_event_list_of_kubernetes_is_its_events() -> None:
    later = AUDIT | {
        "stageTimestamp": "2024-05-01T12:34:57Z",
        "responseStatus": {"code": 500},
        "verb": "list",
    }
    listed = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [AUDIT, 7, later]}
    events = read(listed)
    assert form(listed) == "k8s_audit"
    assert (events.record, events.severity) == ([0, 1], [13, 17])
    assert events.time == pytest.approx([NOON + 0.25, NOON + 1])


def test_records_of_cloudtrail_and_what_event_bridge_carries() -> None:
    second = CLOUDTRAIL | {"eventName": "GetTrail", "errorCode": None, "userIdentity": {"type": "AWSService",
                           "invokedBy": "config.amazonaws.com"}}  # fmt: skip
    events = read(
        {"Records": [CLOUDTRAIL, second]}, {"detail-type": "AWS API Call via CloudTrail", "detail": second}
    )
    assert (events.offset, events.record, events.severity) == ([0, 0, 1], [0, 1, 0], [13, 9, 9])
    assert events.entity == [SUBJECT, "config.amazonaws.com", "config.amazonaws.com"]
    notification = {
        "Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "x"}]
    }
    assert form(notification) == "json"


@pytest.mark.parametrize("pack", [gzip.compress, lambda raw: base64.b64encode(gzip.compress(raw)), bytes])
def test_a_subscription_of_cloudwatch_is_unpacked(pack: Any) -> None:
    events = read(pack(json.dumps(CLOUDWATCH).encode()))
    assert events.source == ["/aws/lambda/checkout"] * 3
    assert events.time == pytest.approx([NOON + 0.25, NOON + 1, NOON + 2])
    assert events.severity == [17, 13, 0]
    assert events.message == ["payment refused", "retry", "nothing to say of itself"]
    assert events.entity == ["", "r7", ""]


def test_a_control_message_of_cloudwatch_is_told() -> None:
    found = decode(CLOUDWATCH | {"messageType": "CONTROL_MESSAGE"})
    assert found.failures[0][1].startswith("no events: a control message")


def test_payloads_of_google() -> None:
    base = {name: GCP[name] for name in ("logName", "resource", "timestamp", "trace")}
    proto = {"methodName": "storage.objects.get", "status": {"code": 7, "message": "denied"}}
    audit = base | {"protoPayload": proto, "severity": "ERROR"}
    request = base | {
        "httpRequest": GCP["httpRequest"] | {"requestUrl": "https://x/a?b=1"},
        "severity": "DEFAULT",
    }  # type: ignore[operator]  # it is a dict
    text = base | {"textPayload": "E0501 said by itself", "severity": "INFO"}
    events = read(audit, request, text)
    assert events.message == [
        "storage.objects.get code=7 status=denied",
        "GET 503 https://x/a",
        "E0501 said by itself",
    ]
    assert events.severity[:2] == [17, 0]
    assert events.numbers == [None, {"status": 503.0, "responseSize": 2450.0, "latency": 0.25}, None]


def test_lines_that_azure_carries() -> None:
    said = json.dumps({"message": "2024-05-01T12:34:57Z WARN slow", "containerName": "pay"})
    events = read({"records": [AZURE | {"properties": said, "level": "4"}, AZURE | {"level": 2}]})
    assert row(events) == (NOON + 1, 13, "pay", AZURE["correlationId"], "slow")
    assert events.severity[1] == 17


def test_an_object_of_another_kind_on_the_topic_is_an_event_all_the_same() -> None:
    events = read(GELF, {"level": "error", "service": "pay", "msg": "x", "time": NOON})
    assert row(events, 1) == (NOON, 17, "pay", "", "x")


def test_lines_of_json_in_one_record_are_an_event_each() -> None:
    lines = "\n".join(json.dumps(GELF | {"short_message": each}) for each in "ab") + "\n"
    events = read(lines.encode(), b'[{"msg":"c"}]')
    assert (events.message, events.record) == (["a", "b", "c"], [0, 1, 0])
    found = decode(b'{"msg":"a"}\n{"msg":', b'{"msg":"a"}\n' * 10_002)
    assert [reason.split(":")[0] for _, reason in found.failures] == ["not JSON", "too many events"]


@pytest.mark.parametrize(
    ("options", "source", "entity"),
    [
        ({"source_field": "stream"}, "stderr", "t1"),
        ({"entity_field": "kubernetes.pod_name"}, "pay", "pay-7d9-x2"),
        ({"entity_field": "ms"}, "pay", "12.5"),
        ({"entity_field": "absent"}, "pay", ""),
        ({"entity_pattern": "ref[a-z]+"}, "pay", "refused"),
    ],
)
def test_options_look_into_the_record_and_the_line(options: dict[str, str], source: str, entity: str) -> None:
    events = read(FLUENT_BIT, **options)
    assert (events.source, events.entity) == ([source], [entity])


def test_a_time_inside_that_cannot_be_is_not_believed() -> None:
    line = '{"ts":"2031-05-01T12:34:56Z","msg":"x"}'
    assert read(FLUENT_BIT | {"log": line}, time=NOON + 5).time == [NOON + 1]
    assert read(FLUENT_BIT | {"log": line, "@timestamp": None}, time=NOON + 5).time == [NOON + 5]


# ---- properties ----

RECORDS = [each[1] for each in EXPECTED] + [CLOUDWATCH, {"Records": [CLOUDTRAIL]}, AZURE]
RECORDS += [{"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [AUDIT]}]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8"), max_size=12)
    | st.sampled_from(["{", '{"a":1}', "0" * 19, "9" * 400, "²"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(record: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a record."""
    items = (
        record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    )
    return [here for name, value in items for here in ((*path, name), *places(value, (*path, name)))]


@settings(derandomize=True, deadline=None, max_examples=600, database=None)
@given(st.data())
def test_any_value_in_any_place_is_an_event_or_a_failure(data: st.DataObject) -> None:
    record = copy.deepcopy(data.draw(st.sampled_from(RECORDS)))
    for path in data.draw(st.lists(st.sampled_from(places(record)), min_size=1, max_size=3)):
        holder = record
        try:
            for name in path[:-1]:
                holder = holder[name]
            holder[path[-1]] = data.draw(ANY)
        except (KeyError, TypeError, IndexError):
            continue  # an earlier change took this place away
    found = decode(record, time=NOON)
    assert (len(found.events) > 0) != (found.failures != [])
    for severity, source, message in zip(
        found.events.severity, found.events.source, found.events.message, strict=True
    ):
        assert 0 <= severity <= 24
        assert source
        assert message
    "".join(found.events.message + found.events.source + found.events.entity).encode()
