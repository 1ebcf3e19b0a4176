"""What happens in the story: fifty heartbeats, some thirty events, and a record that nobody can read."""

import json

START = 60 * 28_333_334.0  # s; a full minute, since watermarks are told by the minute


def line(second: float, source: str, level: str, message: str, request: str = "") -> bytes:
    event = {"time": START + second, "service": source, "level": level, "message": message}
    return json.dumps(event | ({"request": request} if request else {})).encode()


def accepted(second: float, request: str) -> bytes:
    return line(second, "api", "INFO", f"request {request} accepted", request)


def done(second: float, request: str) -> bytes:
    return line(second, "api", "INFO", f"request {request} done", request)


RECORDS: list[bytes] = [
    # 0 to 49: the storage service says every second that it is well, and then no more.
    *(line(second, "storage", "INFO", f"disk {second} is well") for second in range(50)),
    # 50, 51: a request as it should be. It is the first that ends, so its end is news.
    accepted(50, "r0"),
    done(51, "r0"),
    # 52 to 56: five invoices, never heard of again.
    *(line(52 + i, "billing", "INFO", f"invoice i{i} opened", f"i{i}") for i in range(5)),
    # 57: a record that cannot be read.
    b'{"time": ',
    # 58: the next sign of life, eleven seconds after the last heartbeat.
    accepted(60, "r1"),
    # 59 to 62: the same error four times.
    *(line(61 + i, "api", "ERROR", f"payment of {i} EUR refused", "r1") for i in range(4)),
    # 63, 64: a warning and the end of a process.
    line(65, "billing", "WARN", "answer took 900 ms"),
    line(66, "billing", "FATAL", "out of memory"),
    # 65 to 71, 72 to 78: seven more requests, of which the last is never done.
    *(accepted(65 + i, f"r{i}") for i in range(2, 9)),
    *(done(73 + i, f"r{i}") for i in range(1, 8)),
    # 79 to 83: time passes.
    *(line(second, "clock", "INFO", "tick") for second in (112, 120, 150, 180, 240)),
]
