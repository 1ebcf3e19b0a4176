"""The simulated shop: what its services write, in which order, and how each of them fails.

Only data; ``agents.demo.simulation`` turns it into events. Placeholders in braces are filled by
``agents.demo.lines``; ``{name:.1f}`` takes a format as ``str.format`` does. ``took`` (ms) and
``took_s`` (s) are the latency of the step itself, ``total_s`` that of the request; each is also the JSON
field ``latency_ms``.

Long because it is one table of one shop.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "BACKGROUND",
    "FLOWS",
    "LEVEL_SPELLING",
    "LINES",
    "PERIODIC",
    "RESTART",
    "SLOW_MS",
    "UNSEEN",
    "Flow",
    "Step",
]

# How each service spells its levels: frameworks differ, and a reader of logs must not care.
LEVEL_SPELLING: dict[str, dict[str, str]] = {
    "gateway": {"D": "debug", "I": "info", "W": "warn", "E": "error"},
    "auth": {"D": "DEBUG", "I": "INFO", "W": "WARNING", "E": "ERROR"},
    "catalog": {"D": "DEBUG", "I": "INFO", "W": "WARN", "E": "ERROR"},
    "search": {"D": "DEBUG", "I": "INFO", "W": "WARN", "E": "ERROR"},
    "cart": {"D": "debug", "I": "info", "W": "warning", "E": "error"},
    "checkout": {"D": "DEBUG", "I": "INFO", "W": "WARN", "E": "ERROR"},
    "payment": {"D": "DEBUG", "I": "INFO", "W": "WARN", "E": "ERROR"},
    "inventory": {"D": "DEBUG", "I": "INFO", "W": "WARN", "E": "ERROR"},
    "recommender": {"D": "DEBUG", "I": "INFO", "W": "WARNING", "E": "ERROR"},
    "notifier": {"D": "debug", "I": "info", "W": "warn", "E": "error"},
    "scheduler": {"D": "DEBUG", "I": "INFO", "W": "WARNING", "E": "ERROR"},
    "storage": {"D": "DEBUG", "I": "INFO", "W": "WARN", "E": "ERROR"},
}

# service.name -> (level, text). The service is the part of the key before the dot.
LINES: dict[str, tuple[str, str]] = {
    # gateway: access lines of a proxy
    "gateway.accept": ("I", "accepted {method} {path} from {ip}:{port} tls=TLSv1.3"),
    "gateway.done": ("I", '{ip} - {user} "{method} {path} HTTP/1.1" 200 {bytes} {total_s:.3f} "{agent}"'),
    "gateway.notfound": ("W", '{ip} - {user} "{method} {path} HTTP/1.1" 404 {bytes} {total_s:.3f} "{agent}"'),
    "gateway.failed": ("E", '{ip} - {user} "{method} {path} HTTP/1.1" 502 {bytes} {total_s:.3f} "{agent}"'),
    "gateway.error": ("E", "upstream prematurely closed connection, client: {ip}, upstream: 10.0.1.{n}:8080"),
    "gateway.denied": ("W", '{ip} - - "{method} {path} HTTP/1.1" 401 {bytes} {total_s:.3f} "{agent}"'),
    "gateway.limited": ("W", "rate limit reached for client {ip}: {n} requests in 10s, delaying"),
    "gateway.health": ("D", "health check ok upstreams=11 connections={n}"),
    "gateway.cert": ("I", "certificate for shop.example.com valid for another {n} days"),
    "gateway.slowclient": ("W", "client {ip} closed keep-alive connection after {n}s idle"),
    # auth: key=value
    "auth.verify": ("I", "event=token_verified user={user} ip={ip} kid=k{digit} took={took:.1f}ms"),
    "auth.login": ("I", "event=login user={user} ip={ip} method=password result=ok took={took:.1f}ms"),
    "auth.refresh": ("I", "event=token_refreshed user={user} session={session} ttl=3600s"),
    "auth.badpassword": (
        "W",
        "event=login user={user} ip={ip} method=password result=bad_password attempt={digit}",
    ),
    "auth.expired": ("W", "event=token_expired user={user} session={session} age={n}m"),
    "auth.error": (
        "E",
        "event=directory_unavailable host=ldap-{digit}.internal:636 error=timeout after={took:.0f}ms",
    ),
    "auth.rotate": ("I", "event=signing_key_rotated kid=k{digit} next=24h"),
    "auth.sweep": ("I", "event=session_sweep removed={n} kept={big}"),
    # catalog: prose of a Java framework
    "catalog.hit": ("I", "Fetched product {sku} from cache in {took:.0f} ms"),
    "catalog.miss": ("I", "Cache miss for product {sku}, loading from database"),
    "catalog.load": ("I", "Loaded product {sku} from database in {took:.0f} ms ({n} attributes)"),
    "catalog.unknown": ("W", "Product {sku} does not exist, returning 404"),
    "catalog.error": (
        "E",
        "Could not load product {sku}: connection to db-{digit}.internal:5432 timed out after {took:.0f} ms",
    ),
    "catalog.gc": ("I", "GC pause (G1 Evacuation Pause) young {n}M->{digit}M(512M) {gc:.1f}ms"),
    "catalog.pool": ("D", "HikariPool-1 - Pool stats (total=20, active={digit}, idle={n}, waiting=0)"),
    "catalog.reindex": ("I", "Price list import finished: {big} prices changed, {n} rejected"),
    # search: quoted strings and shards
    "search.query": ("I", 'query "{query}" returned {n} hits in {took:.1f}ms from shard {digit}'),
    "search.empty": ("I", 'query "{query}" returned no hits in {took:.1f}ms, trying "did you mean"'),
    "search.suggest": ("I", 'suggestions for "{query}": {digit} candidates in {took:.1f}ms'),
    "search.slow": ("W", 'slow query "{query}" took {took:.0f}ms on shard {digit}'),
    "search.error": (
        "E",
        "shard {digit} failed: org.search.QueryTimeoutException: query cancelled after {took:.0f}ms",
    ),
    "search.merge": ("I", "merged {digit} segments of index products_v{digit} into {mb:.1f} MB"),
    "search.flush": ("D", "flushed translog of shard {digit}, {n} operations"),
    "search.gc": ("W", "[gc][old] collection took {gc:.0f}ms, heap {n}% -> {digit}%"),
    # cart: structured Go
    "cart.get": ("I", "loaded cart {cart} items={digit} took={took:.2f}ms"),
    "cart.add": ("I", "added sku={sku} qty={digit} cart={cart}"),
    "cart.remove": ("I", "removed sku={sku} cart={cart}"),
    "cart.conflict": ("W", "optimistic lock conflict on cart {cart}, retry 1 of 3"),
    "cart.expired": ("I", "expired {n} abandoned carts older than 720h"),
    "cart.error": (
        "E",
        "redis: connection pool timeout cart={cart} addr=10.0.3.{n}:6379 waited={took:.0f}ms",
    ),
    "cart.redis": ("D", "redis ping ok addr=10.0.3.{n}:6379 rtt={gc:.2f}ms"),
    # checkout: prose with orders and money
    "checkout.start": ("I", "Checkout started for user {user} with {digit} items"),
    "checkout.address": ("I", "Address of user {user} validated by geo-service in {took:.0f}ms"),
    "checkout.price": ("I", "Order {order}: subtotal {amount:.2f} EUR, tax {tax:.2f} EUR, coupon none"),
    "checkout.coupon": ("I", "Order {order}: coupon {coupon} applied, discount {digit}%"),
    "checkout.badcoupon": ("W", "Order {order}: coupon {coupon} is not valid any more, ignored"),
    "checkout.done": ("I", "Order {order} confirmed for user {user} after {total_s:.2f}s"),
    "checkout.declined": ("W", "Order {order} cancelled: payment declined"),
    "checkout.error": ("E", "Order {order} failed: upstream answered 503 after {took:.0f}ms, giving up"),
    # payment: brackets and processors
    "payment.authorize": ("I", "[txn {txn}] authorizing {amount:.2f} EUR card={card} processor={processor}"),
    "payment.approved": ("I", "[txn {txn}] approved by {processor} in {took:.0f} ms auth_code={code}"),
    "payment.declined": ("W", "[txn {txn}] declined by {processor}: insufficient funds (51)"),
    "payment.retry": ("W", "[txn {txn}] no answer from {processor} after {took:.0f} ms, retry 1/3"),
    "payment.captured": ("I", "[txn {txn}] captured {amount:.2f} EUR batch={n}"),
    "payment.error": (
        "E",
        "[txn {txn}] processor {processor} unreachable: java.net.SocketTimeoutException: Read timed out",
    ),
    "payment.settle": ("I", "settlement file settle-{n}.csv uploaded: {big} transactions"),
    "payment.fx": ("I", "exchange rates refreshed: {n} currencies, source ecb"),
    # inventory: prose with warehouses, and SQL
    "inventory.check": ("I", "Stock of {sku} in {warehouse}: {n} available"),
    "inventory.reserve": (
        "I",
        "Reserved {digit} units of {sku} in {warehouse} for order {order} (remaining {n})",
    ),
    "inventory.commit": ("I", "Reservation of order {order} committed in {took:.0f}ms"),
    "inventory.low": ("W", "Stock of {sku} in {warehouse} below threshold: {digit} left"),
    "inventory.slow": (
        "W",
        "Slow statement ({took:.0f} ms): UPDATE stock SET reserved = reserved + {digit} WHERE sku = '{sku}'",
    ),
    "inventory.error": (
        "E",
        "Could not reserve {sku} for order {order}: lock wait timeout exceeded after {took:.0f} ms",
    ),
    "inventory.sync": ("I", "Synchronised {n} stock levels with {warehouse}"),
    "inventory.checkpoint": ("D", "checkpoint complete: wrote {n} buffers; sync={gc:.3f} s"),
    # recommender: Python
    "recommender.infer": ("I", "model=v{version} items=20 user={user} elapsed={took_s:.4f}s"),
    "recommender.cold": ("I", "no history for user={user}, falling back to bestsellers"),
    "recommender.timeout": (
        "W",
        "feature store lookup for user={user} exceeded budget of 50ms ({took:.0f}ms), using defaults",
    ),
    "recommender.error": (
        "E",
        'Traceback: File "/app/recommender/model.py", line {line}, in predict: RuntimeError: input has NaN',
    ),
    "recommender.reload": ("I", "reloaded embeddings from /models/v{version}/items.npy ({mb:.0f} MB)"),
    "recommender.worker": ("D", "gunicorn worker pid={pid} handled {big} requests"),
    # notifier: a queue consumer that works after the answer was sent
    "notifier.consume": ("I", "consumed topic=order-events partition={digit} offset={offset} lag={digit}"),
    "notifier.mail": ("I", "sent order-confirmation to {email} via smtp-{digit} (250 2.0.0 OK {code})"),
    "notifier.defer": ("W", "smtp-{digit} deferred {email}: 451 4.7.1 try again later"),
    "notifier.push": ("I", "push notification queued for device {hex8}"),
    "notifier.commit": ("D", "committed offset {offset} for group notifier"),
    "notifier.rebalance": ("I", "group notifier rebalanced: generation={n} partitions=[0 1 2 3]"),
    "notifier.error": ("E", "cannot deliver to {email}: 550 5.1.1 mailbox unavailable"),
    # scheduler: jobs and cron
    "scheduler.start": ("I", "Job {job} started (pid {pid})"),
    "scheduler.end": ("I", "Job {job} finished with exit code 0 in {secs:.1f}s"),
    "scheduler.tick": ("D", "tick: {digit} jobs due, {digit} running"),
    "scheduler.skip": ("W", "Job {job} skipped: previous run still active"),
    "scheduler.leader": ("I", "renewed leader lease as scheduler-{digit} for 15s"),
    "scheduler.error": ("E", "Job {job} failed with exit code 1, will be retried in 60s"),
    "scheduler.cron": ("I", "(root) CMD (/usr/local/bin/{job} --quiet)"),
    # storage: a storage node with blocks, disks and paths
    "storage.write": ("I", "Received block blk_{block} of size {bytes} from /{peer}"),
    "storage.serve": ("I", "Served block blk_{block} to /{peer} in {took:.0f} ms"),
    "storage.replicate": ("I", "Replicated blk_{block} to node-{digit} (/data{digit}/current/{hex8})"),
    "storage.verify": ("I", "Verification succeeded for blk_{block}"),
    "storage.slowdisk": ("W", "Slow write to /data{digit}: {gc:.0f}ms (threshold 20ms)"),
    "storage.delete": ("I", "Deleting block blk_{block} file /data{digit}/current/{hex8}"),
    "storage.heartbeat": ("D", "heartbeat to namenode-{digit} acknowledged, {n}% used"),
    "storage.error": ("E", "Checksum mismatch in blk_{block}, fetching replica from node-{digit}"),
    # lines that every service writes around a deploy or a change of configuration
    "*.stop": ("I", "Received SIGTERM, draining {digit} connections"),
    "*.boot": ("I", "Starting version {version}.{n}.{digit} (commit {hex8}) on {node}"),
    "*.config": ("I", "Configuration loaded from /etc/shop/config.yaml ({n} keys)"),
    "*.ready": ("I", "Listening on 0.0.0.0:8080, startup took {secs:.2f} seconds"),
    "*.reload": ("I", "Configuration reloaded, {digit} values changed"),
    "*.flag": ("I", "Feature flag {flag} is now {onoff}"),
}

# Lines that tell of a timeout or a slow step: their own median latency in ms, in place of that of the step.
SLOW_MS: dict[str, float] = {
    "auth.error": 3000.0,
    "catalog.error": 2000.0,
    "search.slow": 300.0,
    "search.error": 1500.0,
    "cart.error": 500.0,
    "checkout.error": 200.0,
    "payment.retry": 1500.0,
    "payment.error": 2500.0,
    "inventory.slow": 600.0,
    "inventory.error": 2000.0,
    "recommender.timeout": 60.0,
}

# What a service writes only while something new is broken: never in normal traffic, so never in training.
UNSEEN: dict[str, tuple[str, str]] = {
    "gateway": ("E", "upstream sent invalid header while reading response: stray byte 0x{hex8}"),
    "auth": ("E", "event=jwks_parse_failed kid=k{digit} error=unexpected_end_of_document"),
    "catalog": (
        "E",
        "Serialization of product {sku} failed: enum constant DISCONTINUED_EU unknown to schema 14",
    ),
    "search": ("E", "corrupted postings list in segment _{hex8}: docs out of order"),
    "cart": ("E", "panic recovered: runtime error: index out of range [{n}] with length {digit}"),
    "checkout": ("E", "Tax table for region {warehouse} is empty, order {order} priced without tax"),
    "payment": ("E", "[txn {txn}] signature of callback from {processor} does not verify, rejecting"),
    "inventory": (
        "E",
        "Deadlock detected between order {order} and batch replenishment: victim {pid} rolled back",
    ),
    "recommender": (
        "E",
        "CUDA error: uncorrectable ECC error encountered on device {digit}, moving model to host",
    ),
    "notifier": (
        "E",
        "poison message at offset {offset} cannot be deserialised, parking it in order-events.parked",
    ),
    "scheduler": ("E", "clock moved backwards by {n} seconds, leader election suspended"),
    "storage": ("E", "Volume /data{digit} remounted read-only by kernel after {n} I/O failures"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a request: what is written, after how long, and what may happen instead.

    ``line`` is written ``median_ms`` (log-normal) after the previous step. ``variants`` are (probability,
    lines) written in place of ``line``; a variant whose last line ends in ``!`` ends the request.
    """

    line: str
    median_ms: float
    variants: tuple[tuple[float, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """A kind of request: its share of the traffic, its method and paths, and its steps in order."""

    name: str
    weight: float
    method: str
    paths: tuple[str, ...]
    steps: tuple[Step, ...]


_ACCEPT = Step(
    "gateway.accept",
    1.0,
    (
        (0.004, ("gateway.limited", "gateway.accept")),
        (0.0005, ("gateway.accept", "gateway.error", "gateway.failed!")),
    ),
)
_VERIFY = Step(
    "auth.verify",
    3.0,
    (
        (0.02, ("auth.refresh", "auth.verify")),
        (0.006, ("auth.expired", "gateway.denied!")),
        (0.0005, ("auth.error", "gateway.failed!")),
    ),
)
_PRODUCT = Step(
    "catalog.hit",
    4.0,
    (
        (0.12, ("catalog.miss", "catalog.load")),
        (0.008, ("catalog.unknown", "gateway.notfound!")),
        (0.001, ("catalog.error", "gateway.failed!")),
    ),
)
_STOCK = Step("inventory.check", 6.0, ((0.02, ("inventory.low", "inventory.check")),))
_CART = Step("cart.get", 2.0, ((0.001, ("cart.error", "gateway.failed!")),))
_RECOMMEND = Step(
    "recommender.infer",
    25.0,
    (
        (0.08, ("recommender.cold",)),
        (0.01, ("recommender.timeout", "recommender.infer")),
        (0.001, ("recommender.error", "recommender.cold")),
    ),
)
_DONE = Step("gateway.done", 2.0)

FLOWS: tuple[Flow, ...] = (
    Flow(
        "view", 0.42, "GET", ("/api/products/{sku}", "/p/{sku}"),
        (_ACCEPT, _VERIFY, _PRODUCT, _STOCK, _RECOMMEND, _DONE),
    ),
    Flow(
        "search", 0.26, "GET", ("/api/search?q={word}", "/api/search?q={word}&page={digit}"),
        (
            _ACCEPT,
            Step("search.query", 18.0, (
                (0.05, ("search.empty", "search.suggest")),
                (0.006, ("search.slow", "search.query")),
                (0.001, ("search.error", "gateway.failed!")),
            )),
            _PRODUCT,
            _DONE,
        ),
    ),
    Flow(
        "login", 0.08, "POST", ("/api/login",),
        (
            _ACCEPT,
            Step("auth.login", 60.0, (
                (0.06, ("auth.badpassword", "gateway.denied!")),
                (0.03, ("auth.badpassword", "auth.login")),
            )),
            _CART,
            _DONE,
        ),
    ),
    Flow(
        "add", 0.12, "POST", ("/api/cart/items",),
        (
            _ACCEPT, _VERIFY, _CART, _STOCK,
            Step("cart.add", 3.0, ((0.15, ("cart.remove",)), (0.015, ("cart.conflict", "cart.add")))),
            _DONE,
        ),
    ),
    Flow(
        "order", 0.12, "POST", ("/api/checkout",),
        (
            _ACCEPT, _VERIFY, _CART,
            Step("checkout.start", 4.0),
            Step("checkout.address", 35.0),
            Step("checkout.price", 5.0, (
                (0.1, ("checkout.coupon", "checkout.price")),
                (0.01, ("checkout.badcoupon", "checkout.price")),
            )),
            Step("inventory.reserve", 12.0, (
                (0.01, ("inventory.slow", "inventory.reserve")),
                (0.002, ("inventory.error", "checkout.error", "gateway.failed!")),
            )),
            Step("payment.authorize", 6.0),
            Step("payment.approved", 240.0, (
                (0.02, ("payment.retry", "payment.approved")),
                (0.03, ("payment.declined", "checkout.declined", "gateway.done!")),
                (0.003, ("payment.error", "checkout.error", "gateway.failed!")),
            )),
            Step("inventory.commit", 9.0),
            Step("payment.captured", 30.0),
            Step("checkout.done", 4.0),
            _DONE,
            Step("notifier.consume", 400.0),
            Step("notifier.mail", 150.0, (
                (0.2, ("notifier.mail", "notifier.push")),
                (0.02, ("notifier.defer", "notifier.mail")),
                (0.003, ("notifier.error",)),
            )),
        ),
    ),
)  # fmt: skip

# Lines outside any request, at random times; the numbers are shares among themselves.
BACKGROUND: dict[str, float] = {
    "storage.write": 22.0,
    "storage.serve": 26.0,
    "storage.replicate": 9.0,
    "storage.verify": 5.0,
    "storage.delete": 3.0,
    "storage.slowdisk": 0.4,
    "storage.error": 0.06,
    "scheduler.start": 3.0,
    "scheduler.end": 3.0,
    "scheduler.skip": 0.1,
    "scheduler.error": 0.06,
    "notifier.commit": 4.0,
    "notifier.rebalance": 0.05,
    "gateway.slowclient": 0.8,
    "catalog.gc": 2.0,
    "catalog.pool": 3.0,
    "search.merge": 0.5,
    "search.flush": 3.0,
    "search.gc": 0.1,
    "recommender.worker": 2.0,
    "auth.sweep": 0.5,
    "cart.expired": 0.3,
    "*.reload": 0.15,
    "*.flag": 0.08,
}

# Lines that come like clockwork: seconds between two of them.
PERIODIC: dict[str, float] = {
    "gateway.health": 5.0,
    "scheduler.tick": 2.0,
    "scheduler.leader": 5.0,
    "scheduler.cron": 60.0,
    "storage.heartbeat": 3.0,
    "cart.redis": 10.0,
    "inventory.checkpoint": 30.0,
    "inventory.sync": 45.0,
    "payment.fx": 300.0,
    "payment.settle": 900.0,
    "catalog.reindex": 600.0,
    "recommender.reload": 900.0,
    "auth.rotate": 1800.0,
    "gateway.cert": 3600.0,
}

# What a deploy of one service looks like: (line, seconds after the deploy began).
RESTART: tuple[tuple[str, float], ...] = (
    ("*.stop", 0.0),
    ("*.boot", 4.0),
    ("*.config", 4.6),
    ("*.ready", 7.5),
)
