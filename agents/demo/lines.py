"""Log lines of the simulated services, compiled for speed, and the random values that fill them."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

import numpy as np

from agents.demo.services import LEVEL_SPELLING, LINES, SLOW_MS

__all__ = ["Line", "Request", "Values", "compile_lines"]

_NAMES = (
    *("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"),
    *("ivan", "judy", "ken", "laura", "mallory", "nina", "oscar", "peggy"),
)
_WORDS = (
    *("red-shoes", "coat", "lamp", "usb-cable", "rain-jacket", "desk", "chair", "tent"),
    *("kettle", "socks", "mug", "bike-light", "backpack", "notebook", "headset", "sofa"),
)


class Values:
    """Random values for placeholders. Zipf-like pools keep some users, products and words far more common."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        draw = np.random.default_rng(seed)
        self.words = _WORDS * 4
        zipf = np.minimum(draw.zipf(1.3, (2, 4096)), 50_000)
        self.users = [f"{_NAMES[int(z) % 16]}.{(int(z) * 7919) % 9973}" for z in zipf[0]]
        self.skus = [f"SKU-{10_000 + (int(z) * 104_729) % 89_999}" for z in zipf[1]]
        self._jitter: list[float] = np.exp(draw.normal(0.0, 0.45, 8192)).tolist()
        self._next = 0

    def jitter(self) -> float:
        """The next log-normal factor (median 1, sigma 0.45)."""
        self._next = (self._next + 1) & 8191
        return self._jitter[self._next] * (0.9 + 0.2 * self.rng.random())

    def below(self, limit: int) -> int:
        """A whole number in [0, limit)."""
        return int(self.rng.random() * limit)


class Request:
    """The values that the lines of one request share."""

    __slots__ = (
        "amount",
        "cart",
        "coupon",
        "incident",
        "ip",
        "method",
        "order",
        "path",
        "processor",
        "session",
        "sku",
        "start",
        "trace",
        "txn",
        "user",
        "warehouse",
        "word",
    )

    def __init__(self, values: Values, start: float) -> None:
        number = values.rng.random
        bits = values.rng.getrandbits
        self.trace: str = f"{bits(128):032x}"
        self.start: float = start
        self.incident: int = -1
        self.user: str = values.users[int(number() * 4096)]
        self.sku: str = values.skus[int(number() * 4096)]
        self.word: str = values.words[int(number() * 64)]
        self.ip: str = (
            f"{84 + int(number() * 100)}.{int(number() * 256)}.{int(number() * 256)}.{int(number() * 256)}"
        )
        self.order: int = 700_000_000 + int(number() * 99_999_999)
        hex128 = f"{bits(128):032x}"
        self.cart: str = f"{hex128[:8]}-{hex128[8:12]}-{hex128[12:16]}-{hex128[16:20]}-{hex128[20:]}"
        self.session: str = hex128[3:19]
        self.txn: str = hex128[:12]
        self.coupon: str = f"SPRING{hex128[:4].upper()}"
        self.amount: float = 8.0 + 45.0 * values.jitter()
        self.processor: str = ("adyen-eu", "stripe", "paypal")[int(number() * 3)]
        self.warehouse: str = ("fra-1", "fra-2", "lyo-1")[int(number() * 3)]
        self.method: str = "GET"
        self.path: str = "/"


Draw = Callable[[Values, Request, float], object]
_JOBS = ("nightly-report", "stock-sync", "price-import", "cleanup-sessions", "export-orders", "rotate-logs")
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1)",
    "shop-app/4.12",
    "curl/8.5",
)

# placeholder -> how its value is drawn; ``took`` is the latency of the step in ms.
DRAWS: dict[str, Draw] = {
    "agent": lambda v, r, took: _AGENTS[v.below(4)],
    "amount": lambda v, r, took: r.amount,
    "big": lambda v, r, took: 1000 + v.below(90_000),
    "block": lambda v, r, took: 1_000_000_000 + v.below(9_000_000),
    "bytes": lambda v, r, took: int(900 * v.jitter()),
    "card": lambda v, r, took: ("visa", "mastercard", "amex")[v.below(3)],
    "cart": lambda v, r, took: r.cart,
    "code": lambda v, r, took: f"{v.rng.getrandbits(24):06X}",
    "coupon": lambda v, r, took: r.coupon,
    "digit": lambda v, r, took: 1 + v.below(8),
    "email": lambda v, r, took: f"{r.user}@example.com",
    "flag": lambda v, r, took: ("new-checkout", "dark-mode", "fast-search")[v.below(3)],
    "gc": lambda v, r, took: 9.0 * v.jitter(),
    "hex8": lambda v, r, took: f"{v.rng.getrandbits(32):08x}",
    "ip": lambda v, r, took: r.ip,
    "job": lambda v, r, took: _JOBS[v.below(6)],
    "line": lambda v, r, took: 40 + v.below(300),
    "mb": lambda v, r, took: 120.0 * v.jitter(),
    "method": lambda v, r, took: r.method,
    "n": lambda v, r, took: 1 + v.below(89),
    "node": lambda v, r, took: f"node-{v.below(12):02d}.eu-west.internal",
    "offset": lambda v, r, took: 5_000_000 + v.below(900_000),
    "onoff": lambda v, r, took: ("on", "off")[v.below(2)],
    "order": lambda v, r, took: r.order,
    "path": lambda v, r, took: r.path,
    "peer": lambda v, r, took: f"10.0.{v.below(4)}.{v.below(250)}:50010",
    "pid": lambda v, r, took: 2000 + v.below(30_000),
    "port": lambda v, r, took: 32_768 + v.below(28_000),
    "processor": lambda v, r, took: r.processor,
    "query": lambda v, r, took: r.word.replace("-", " "),
    "secs": lambda v, r, took: 3.0 * v.jitter(),
    "session": lambda v, r, took: r.session,
    "sku": lambda v, r, took: r.sku,
    "tax": lambda v, r, took: r.amount * 0.19,
    "took": lambda v, r, took: took,
    "took_s": lambda v, r, took: took / 1000.0,
    "total_s": lambda v, r, took: took / 1000.0,
    "txn": lambda v, r, took: r.txn,
    "user": lambda v, r, took: r.user,
    "version": lambda v, r, took: 10 + v.below(3),
    "warehouse": lambda v, r, took: r.warehouse,
    "word": lambda v, r, took: r.word,
}
_PLACEHOLDER = re.compile(r"\{(\w+)(?::([^}]*))?\}")


class Line:
    """A log line compiled for speed: ``format % draws`` makes the message."""

    __slots__ = ("amount", "draws", "format", "level", "service", "slow", "timed", "total")

    def __init__(self, service: str, level: str, text: str, slow_ms: float = 0.0) -> None:
        fields = _PLACEHOLDER.findall(text)
        self.service = service
        self.level = LEVEL_SPELLING[service][level]
        self.format = _PLACEHOLDER.sub(lambda m: "%" + (m[2] or "s"), text.replace("%", "%%"))
        self.draws = [DRAWS[name] for name, _ in fields]
        self.slow = slow_ms / 1000.0  # seconds, in place of the latency of the step; 0 for none
        self.total = "{total_s" in text
        self.timed = self.total or "{took" in text
        self.amount = "{amount" in text


def compile_lines() -> dict[str, Line]:
    """Every line by its name, with ``*`` lines once per service."""
    lines = {}
    for name, (level, text) in LINES.items():
        service, _, rest = name.partition(".")
        for owner in LEVEL_SPELLING if service == "*" else (service,):
            lines[f"{owner}.{rest}"] = Line(owner, level, text, SLOW_MS.get(name, 0.0))
    return lines
