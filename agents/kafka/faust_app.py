"""The Faust app that a worker runs in: which parts of Faust qualm uses, and with which limits."""

from __future__ import annotations

import ssl
import tempfile

import faust
from faust.types.auth import AuthProtocol
from yarl import URL

from agents.partitions import Positions
from agents.settings import Settings

__all__ = ["App", "create_app"]

# Batches that wait in the queue of an agent. More only costs memory: each holds up to `fetch_records`
# records.
QUEUED_BATCHES = 2
# A dead letter is the largest record qualm sends: the input record and its headers.
PRODUCER_EXTRA_BYTES = 1024 * 1024


class App(faust.App):
    """The Faust app, and where its transport reads on."""

    reads_on: Positions = Positions()


def create_app(settings: Settings) -> App:
    """The Faust app: no web server, no tables, no topics of its own.

    Raises:
        SettingsError: a TLS certificate or key cannot be read.
    """
    return App(
        settings.group,
        broker=[URL(f"qualm+kafka://{address}") for address in settings.broker],
        broker_credentials=_credentials(settings, settings.ssl_context()),
        broker_max_poll_records=settings.fetch_records,
        broker_commit_interval=1.0,
        # A worker that was killed keeps its partitions from the others for this long.
        broker_session_timeout=15.0,
        consumer_auto_offset_reset=settings.start,
        consumer_max_fetch_size=settings.fetch_bytes,
        # A topic that appears after the worker started is found within this time.
        consumer_metadata_max_age_ms=10_000,
        producer_acks=-1,
        producer_linger=0.005,
        producer_max_request_size=settings.max_record_bytes + PRODUCER_EXTRA_BYTES,
        producer_max_batch_size=256 * 1024,
        producer_request_timeout=20.0,
        stream_buffer_maxsize=QUEUED_BATCHES,
        stream_wait_empty=True,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        datadir=tempfile.gettempdir(),
        # Faust's version is part of the group id from 2 on; offsets must outlive an upgrade of qualm.
        version=1,
    )


def _credentials(settings: Settings, context: ssl.SSLContext | None) -> faust.auth.Credentials | None:
    if settings.security_protocol.startswith("SASL"):
        assert settings.sasl_password is not None
        credentials = faust.SASLCredentials(
            username=settings.sasl_username,
            password=settings.sasl_password.get_secret_value(),
            ssl_context=context,
            mechanism=settings.sasl_mechanism,
        )
        credentials.protocol = AuthProtocol(settings.security_protocol)
        return credentials
    return faust.SSLCredentials(context) if context is not None else None
