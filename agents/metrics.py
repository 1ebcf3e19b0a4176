"""Every number that a worker reports to Prometheus, each defined once.

The dashboard in ``docker-compose.yml`` and the alerts a user writes rely on these names. All counters count
since the worker started; they are updated once per batch, never per event.
"""

from __future__ import annotations

import logging
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

log = logging.getLogger("qualm.metrics")

REGISTRY = CollectorRegistry()

# Resident memory, CPU seconds and open files of the worker process, under the usual `process_*` names.
ProcessCollector(registry=REGISTRY)
# Garbage collections, because a pause of a worker is often one of them.
GCCollector(registry=REGISTRY)

# Log events that were decoded and seen by triage (an OTLP message counts as many events as it has log
# records).
EVENTS = Counter("qualm_events_total", "Log events seen by triage", ["topic"], registry=REGISTRY)

# Rows of features that triage computed: one per event, plus one per end of an entity and per silence.
ROWS = Counter("qualm_rows_total", "Feature rows computed by triage", registry=REGISTRY)

# Rows that the prefilter let through to the encoder.
PREFILTERED = Counter("qualm_prefiltered_total", "Rows let through by the prefilter", registry=REGISTRY)

# Rows with at least one open wire: those that were published to the salient topic.
SALIENT = Counter("qualm_salient_total", "Salient events published", registry=REGISTRY)

# Rejected rows that were evaluated all the same, a thousandth of them, and how many of those were suspicious:
# a thousand times that is what prefilter and gate miss.
AUDITED = Counter("qualm_audited_total", "Rejected rows that were evaluated", registry=REGISTRY)
AUDIT_MISSED = Counter(
    "qualm_audit_missed_total", "Rejected rows that were evaluated and are suspicious", registry=REGISTRY
)

# Open wires summed over salient events; divided by qualm_salient_total it is the mean size of a circuit.
OPEN_WIRES = Counter("qualm_open_wires_total", "Open wires, summed over salient events", registry=REGISTRY)

# Entities and sources that this worker has seen lately in a topic of several partitions, and those of them
# that it saw in several: their history is torn unless `key_by` puts it together.
NAMES = Gauge("qualm_names", "Entities and sources seen", ["topic", "kind"], registry=REGISTRY)
NAMES_TORN = Gauge(
    "qualm_names_torn",
    "Entities and sources seen in several partitions",
    ["topic", "kind"],
    registry=REGISTRY,
)

# Entities that triage forgot, as a whole or in part, for want of room, before they ended: they may have been
# judged wrongly, because more were live at once than a partition holds, or because one showed too much.
FORGOTTEN = Counter(
    "qualm_forgotten_total", "Entities forgotten for want of room before they ended", registry=REGISTRY
)

# Circuits that were evaluated for salient events, by the device that ran them.
CIRCUITS = Counter("qualm_circuits_total", "Circuits evaluated", ["device"], registry=REGISTRY)

# Devices that could not be made or failed, and were left for the next one.
DEVICE_FAILURES = Counter(
    "qualm_device_failures_total", "Devices left for the next one", ["device"], registry=REGISTRY
)

# Alerts that were published, by kind (new pattern, sequence, ...) and status (firing, resolved).
ALERTS = Counter("qualm_alerts_total", "Alerts published", ["kind", "status"], registry=REGISTRY)

# Records that went to a dead-letter topic, by the topic they came from and the reason (a short, bounded set).
DEAD_LETTERS = Counter(
    "qualm_dead_letters_total", "Records sent to a dead-letter topic", ["topic", "reason"], registry=REGISTRY
)

# Sources and kinds of units (of requests, runs, ...) that are judged by too few normal minutes or units to
# alert by anything but errors, and those that are known well enough, over the partitions of this worker.
LEARNING = Gauge(
    "qualm_learning", "Sources or kinds of units still being learnt", ["topic", "of"], registry=REGISTRY
)
KNOWN = Gauge("qualm_known", "Sources or kinds of units that are known", ["topic", "of"], registry=REGISTRY)

# 1 while more than half of the latest records of a topic (10,000 at most, 1,000 at least) are dead letters.
BREAKER = Gauge(
    "qualm_breaker_open", "Whether most records of a topic cannot be used", ["topic"], registry=REGISTRY
)

# Records that the broker refused for their size, by the topic they were for; a dead letter is then sent
# without value.
REFUSED = Counter(
    "qualm_refused_total",
    "Records that the broker refused for their size",
    ["topic"],
    registry=REGISTRY,
)

# Wall-clock seconds spent on one batch, by stage: `triage` and `evaluate` compute, `publish` waits for the
# broker.
BATCH_SECONDS = Histogram(
    "qualm_batch_seconds",
    "Seconds spent on one batch",
    ["stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    registry=REGISTRY,
)

# Offsets between what is published and the end of the partition that may be read (the last stable offset), as
# the broker tells it each second; 0 also where the last offsets are markers or were compacted away.
LAG = Gauge(
    "qualm_lag_records", "Records that are not published yet", ["topic", "partition"], registry=REGISTRY
)

# Snapshots of states: how long one took, from its beginning until it is kept; compressed bytes written; up to
# which offset of the partition the last one reaches, and when it was made (Unix seconds).
SNAPSHOT_SECONDS = Histogram(
    "qualm_snapshot_seconds",
    "Seconds until a snapshot of a state is kept",
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    registry=REGISTRY,
)
SNAPSHOT_BYTES = Counter("qualm_snapshot_bytes_total", "Bytes of snapshots written", registry=REGISTRY)
SNAPSHOT_POSITION = Gauge(
    "qualm_snapshot_position",
    "Offset up to which the last snapshot reaches",
    ["topic", "partition"],
    registry=REGISTRY,
)
SNAPSHOT_TIME = Gauge(
    "qualm_snapshot_time_seconds",
    "Time of the last snapshot, Unix seconds",
    ["topic", "partition"],
    registry=REGISTRY,
)
# Snapshots that could not be written or read, those that were taken up, and those that were refused: damaged,
# or made with another bundle or version.
SNAPSHOT_FAILURES = Counter(
    "qualm_snapshot_failures_total", "Snapshots not written or read", registry=REGISTRY
)
RESTORES = Counter("qualm_restores_total", "States taken up from a snapshot", ["topic"], registry=REGISTRY)
SNAPSHOTS_REFUSED = Counter(
    "qualm_snapshots_refused_total", "Snapshots not taken up", ["topic"], registry=REGISTRY
)

# Offsets that were removed from a topic, by its retention, before they were read.
LOST_RECORDS = Counter(
    "qualm_lost_records_total", "Records removed before they were read", ["topic"], registry=REGISTRY
)

# Always 1; the labels say which version, bundle and roles this worker runs, to join with in a dashboard.
BUILD = Gauge("qualm_build_info", "What this worker runs", ["version", "bundle", "role"], registry=REGISTRY)


def serve(host: str, port: int) -> WSGIServer | None:
    """Answer ``GET /metrics`` on host:port from a background thread.

    Args:
        host: the address to bind; loopback unless the user chose another one.
        port: the TCP port, 0 to serve nothing.

    Returns:
        the server (``shutdown()`` ends it), or None when port is 0 or the address cannot be bound. A worker
        whose metrics port is taken still processes events, so that is a warning and not an error.
    """
    if port == 0:
        return None
    try:
        server, _ = start_http_server(port, addr=host, registry=REGISTRY)
    except OSError as error:
        log.warning(
            "No metrics: cannot listen on %s:%d (%s). Set metrics_port to a free port, or to 0 for none.",
            host,
            port,
            error.strerror or error,
        )
        return None
    log.info("Metrics on http://%s:%d/metrics", host, server.server_port)
    return server
