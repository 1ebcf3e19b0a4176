"""Syslog as JSON and GELF, by the names that syslog's daemons give to what they received."""

import json

from tests.schemas.formats.test_families import GELF, NOON, SYSLOG_NG, decode, read, row


def test_syslog_as_json_may_lack_its_year_its_program_and_its_data() -> None:
    bare = {name: SYSLOG_NG[name] for name in ("MESSAGE", "HOST", "PRIORITY", "DATE")}
    events = read(SYSLOG_NG, bare | {"DATE": "Apr 30 12:34:56"}, bare | {"MESSAGE": ""}, time=NOON + 5)
    assert row(events) == (NOON, 17, "checkout", "r-7", "payment refused")
    assert row(events, 1) == (NOON - 86_400, 17, "web-1", "", "payment refused")
    assert '"HOST":"web-1"' in events.message[2]
    inside = {"MESSAGE": '{"level":"warn","msg":"slow","trace_id":"t1"}', "DATE": "no date"}
    assert row(read(SYSLOG_NG | inside, time=NOON + 5)) == (NOON + 5, 13, "checkout", "t1", "slow")
    words = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
    levels = read(*[SYSLOG_NG | {"PRIORITY": word} for word in words], time=NOON).severity
    assert levels == [21, 19, 18, 17, 13, 10, 9, 5]
    odd = {"_SDATA": {"a": 7, "b": ["request_id"]}, "PROGRAM": 5, "PRIORITY": None}
    assert row(read(SYSLOG_NG | odd, time=NOON))[1:4] == (0, "5", "")


def test_gelf_may_end_with_a_nul_byte_and_carry_structured_data() -> None:
    said = GELF | {"_program": "checkout", "_SDATA": SYSLOG_NG["_SDATA"]}
    for tail in (b"\0", b"\0\0", b"\n\0"):
        assert row(read(json.dumps(said).encode() + tail))[2:4] == ("checkout", "r-7")
    found = decode(b"\0" + json.dumps(GELF).encode(), json.dumps(GELF).encode() + b"\0x")
    assert len(found.failures) == 2
