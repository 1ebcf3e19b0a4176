"""Everything that can be configured, in one place: name, default, meaning.

A setting comes from, in this order: the command line, the environment variable ``QUALM_<NAME>``, the file
named by ``QUALM_CONFIG`` (``./qualm.toml`` when that is unset and the file exists), the default below.

``python -m agents.settings_page`` writes ``docs/configuration.md`` and ``qualm.example.toml`` from the fields
of this module; a test keeps both true.

Long because every setting stands in it with what it means.
"""

from __future__ import annotations

import os
import re
import ssl
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from agents.kafka.schema_registry import registry_of
from models.false_alarms import FalseAlarms
from models.options import EvaluateOptions
from schemas.formats.options import Format, ReadOptions

__all__ = ["ReadSettings", "Settings", "SettingsError", "load_settings"]

PREFIX = "QUALM_"
# Environment variables of the same prefix that are not settings: the file to read, and the broker of the
# tests.
OTHER_VARIABLES = {"QUALM_CONFIG", "QUALM_TEST_BROKER"}
# What a Kafka topic may be called, leaving room for ".dlq" within the broker's 249 characters.
TOPIC_NAME = re.compile(r"[a-zA-Z0-9._-]{1,240}")
BROKER_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/,\[\]]+):(\d{1,5})")


class SettingsError(ValueError):
    """A setting is missing, unknown or wrong; the text names it and says what to do."""


class ReadSettings(BaseModel):
    """How the records of one topic are read, where that differs from the general settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Format | None = None
    line: str | None = None
    entity_field: str | None = None
    entity_pattern: str | None = None
    source_field: str | None = None
    time_field: str | None = None
    max_record_bytes: int | None = Field(default=None, ge=1)


class Settings(BaseSettings):
    """The settings of a worker; train, replay, bench and doctor use the same ones where they apply."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    broker: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("127.0.0.1:9092",), description="Kafka brokers to start from, as host:port, comma-separated."
    )
    topics: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("logs",), description="Topics with log records that triage reads, comma-separated."
    )
    bundle: Path | None = Field(
        default=None,
        description="Folder of the trained bundle; unset: the default bundle that ships with qualm.",
    )
    role: Literal["all", "triage", "evaluate"] = Field(
        default="all",
        description="What this worker does: `triage` reads logs, `evaluate` runs circuits, keeps incidents.",
    )
    group: str = Field(
        default="qualm",
        min_length=1,
        max_length=200,
        description="Consumer group; workers of one group, whatever their role, share the partitions.",
    )
    start: Literal["earliest", "latest"] = Field(
        default="earliest", description="Where a group without committed offsets starts to read."
    )

    format: Format | None = Field(
        default=None,
        description="Format of the records; unset: as the bundle was trained, otherwise detected.",
    )
    line: str | None = Field(
        default=None,
        description="Header of a text line, e.g. `<date> <time> <pid> <level> <logger>: <message>`.",
    )
    entity_field: str | None = Field(
        default=None, description="JSON field that holds the entity (request id, block id, ...)."
    )
    entity_pattern: str | None = Field(
        default=None, description="Regular expression (RE2) that finds the entity in the message."
    )
    source_field: str | None = Field(default=None, description="JSON field that holds the source.")
    time_field: str | None = Field(default=None, description="JSON field that holds the time of the event.")
    max_record_bytes: int = Field(
        default=16 * 1024 * 1024, ge=1, description="Records larger than this go to the dead-letter topic."
    )
    read: dict[str, ReadSettings] = Field(
        default_factory=dict,
        description="The seven settings above for one topic, as table `[read.TOPIC]`.",
    )
    schema_registry: str | None = Field(
        default=None,
        description="Address of the schema registry of Avro and Protobuf; needs the extra `registry`.",
    )
    schema_registry_auth: SecretStr | None = Field(
        default=None, description="`user:password` for it; never logged. Prefer the environment to the file."
    )

    key_by: Literal["auto", "none", "entity", "source"] = Field(
        default="auto",
        description="`entity`, `source`: all events of one in one place, by `keyed_topic`; `auto`: told if "
        "needed.",
    )
    keyed_topic: str = Field(
        default="qualm.keyed", description="Topic in front of triage with `key_by`; qualm creates it."
    )
    keyed_partitions: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="Partitions of it, which triage workers share; 1: as if a topic had a single partition.",
    )
    salient_topic: str = Field(
        default="qualm.salient", description="Topic between triage and evaluate; qualm creates it."
    )
    suspicious_topic: str = Field(
        default="qualm.suspicious", description="Topic between evaluate and incidents; qualm creates it."
    )
    alerts_topic: str = Field(default="qualm.alerts", description="Topic for alerts; qualm creates it.")
    state: str = Field(
        default="topic",
        min_length=1,
        max_length=4096,
        description="Where state is kept over restarts: `topic`, a folder that all workers share, or `none`.",
    )
    state_topic: str = Field(
        default="qualm.state", description="Compacted topic for state; qualm creates it."
    )
    snapshot_seconds: float = Field(
        default=30.0,
        gt=0,
        le=86_400,
        description="State of a partition is saved this often, if that takes no more than 4% of the time.",
    )
    dead_letter_suffix: str = Field(
        default=".dlq",
        pattern=r"^[a-zA-Z0-9._-]{1,32}$",
        description="Undecodable records of topic T go to T with this suffix.",
    )
    topic_partitions: int = Field(
        default=4, ge=1, le=10_000, description="Partitions of the topics that qualm creates."
    )
    topic_replication: int = Field(
        default=-1,
        ge=-1,
        le=100,
        description="Replicas of the topics that qualm creates; -1: the broker's default.",
    )

    false_alarms: str | None = Field(
        default=None,
        description="False alarms accepted, like 1/day: per hour, day, week, million events, or unit. Unset: "
        "the bundle's.",
    )
    pages_per_hour: int = Field(
        default=EvaluateOptions.pages_per_hour,
        ge=1,
        le=3600,
        description="Pages an hour of event time, at most; other incidents are published without one.",
    )
    device: str = Field(
        default=EvaluateOptions.device,
        description="Device that evaluates circuits; `qualm doctor` lists those present.",
    )
    shots: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Estimate circuits from so many shots; the device must draw them. Unset: exact.",
    )
    resolve_after_seconds: float = Field(
        default=EvaluateOptions.resolve_after,
        gt=0,
        description="An incident is resolved after this much event time without a new alert.",
    )
    evaluate_batch: int = Field(
        default=EvaluateOptions.batch,
        ge=1,
        le=65_536,
        description="Salient events that evaluate scores at once, at most.",
    )
    fetch_records: int = Field(
        default=4096, ge=1, le=100_000, description="Records that one batch holds, at most."
    )
    fetch_bytes: int = Field(
        default=2 * 1024 * 1024,
        ge=1024,
        description="Bytes fetched per partition at once; a single larger record still comes through.",
    )

    metrics_host: str = Field(default="127.0.0.1", description="Address that `GET /metrics` listens on.")
    metrics_port: int = Field(
        default=9464, ge=0, le=65_535, description="Port of `GET /metrics` for Prometheus; 0: no metrics."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe message that the worker itself logs."
    )

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How the broker is spoken to."
    )
    ssl_cafile: Path | None = Field(
        default=None, description="PEM file of the authorities that sign brokers; unset: those of the system."
    )
    ssl_certfile: Path | None = Field(
        default=None, description="PEM file of the client certificate, for mutual TLS."
    )
    ssl_keyfile: Path | None = Field(default=None, description="PEM file of the client's private key.")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="How the client proves who it is."
    )
    sasl_username: str | None = Field(default=None, description="User of SASL.")
    sasl_password: SecretStr | None = Field(
        default=None, description="Password of SASL; never logged. Prefer the environment to the file."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, then environment, then file; neither ``.env`` nor a secrets folder is read."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, _read_file())

    @field_validator("broker", "topics", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("broker")
    @classmethod
    def _check_broker(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            match = BROKER_ADDRESS.fullmatch(address)
            if match is None or not 0 < int(match.group(2)) < 65_536:
                raise ValueError(f"{address!r} is not host:port, for example 127.0.0.1:9092")
        if not value:
            raise ValueError("name at least one broker, for example 127.0.0.1:9092")
        return value

    @field_validator("false_alarms")
    @classmethod
    def _check_false_alarms(cls, value: str | None) -> str | None:
        return None if value is None else str(FalseAlarms.parse(value))

    @field_validator(
        "topics", "keyed_topic", "salient_topic", "suspicious_topic", "alerts_topic", "state_topic"
    )
    @classmethod
    def _check_topics(cls, value: tuple[str, ...] | str) -> tuple[str, ...] | str:
        names = (value,) if isinstance(value, str) else value
        for name in names:
            if not TOPIC_NAME.fullmatch(name) or name in {".", ".."}:
                raise ValueError(f"{name!r} is not a topic name: use letters, digits, '.', '_' and '-'")
        if not names:
            raise ValueError("name at least one topic")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        own = {
            self.keyed_topic, self.salient_topic, self.suspicious_topic, self.alerts_topic, self.state_topic,
        }  # fmt: skip
        if len(own) < 5 or own & set(self.topics):
            raise ValueError(
                "topics, keyed_topic, salient_topic, suspicious_topic, alerts_topic and state_topic must all "
                "be different topics"
            )
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            raise ValueError(
                f"security_protocol {self.security_protocol} needs sasl_username and sasl_password"
            )
        if self.ssl_keyfile and not self.ssl_certfile:
            raise ValueError("ssl_keyfile needs ssl_certfile")
        for name in {"": None, **self.read}:
            self.read_options(name)
        return self

    def read_options(self, topic: str, trained: ReadOptions | None = None) -> ReadOptions:
        """How records of a topic are read: as in training, overridden by the settings, and these by those of
        the topic.

        Args:
            topic: name of the input topic.
            trained: the options that the bundle was trained with.

        Raises:
            SettingsError: options contradict each other, or a pattern is not valid; says which and why.
        """
        general = {name: getattr(self, name) for name in ReadSettings.model_fields}
        try:
            general["schema_of"] = registry_of(self.schema_registry, self.schema_registry_auth)
            options = (trained or ReadOptions()).override(general)
            return options.override(self.read[topic].model_dump()) if topic in self.read else options
        except ValueError as error:
            raise SettingsError(f"reading {topic or 'logs'}: {error}") from None

    def evaluate_options(self) -> EvaluateOptions:
        """How salient events are evaluated."""
        return EvaluateOptions(
            self.device,
            self.shots,
            self.evaluate_batch,
            self.false_alarms,
            self.resolve_after_seconds,
            self.pages_per_hour,
        )

    @property
    def keyed(self) -> tuple[Literal["entity", "source"], int] | None:
        """What events share a partition of the keyed topic, and how many there are; None: none of it."""
        return (self.key_by, self.keyed_partitions) if self.key_by in ("entity", "source") else None

    @property
    def is_keyed(self) -> bool:
        """Whether events go through the keyed topic."""
        return self.keyed is not None

    def dead_letter_topic(self, topic: str) -> str:
        """The topic that takes the records of ``topic`` that cannot be used."""
        return topic + self.dead_letter_suffix

    def ssl_context(self) -> ssl.SSLContext | None:
        """TLS as the settings say, None when the protocol is without it.

        Raises:
            SettingsError: a certificate or key cannot be read.
        """
        if not self.security_protocol.endswith("SSL"):
            return None
        try:
            context = ssl.create_default_context(cafile=str(self.ssl_cafile) if self.ssl_cafile else None)
            if self.ssl_certfile:
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        except OSError as error:
            raise SettingsError(
                f"TLS: {error}. Check that ssl_cafile, ssl_certfile and ssl_keyfile name readable PEM files."
            ) from error
        return context

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments common to every aiokafka client: addresses and security.

        Raises:
            SettingsError: a certificate or key cannot be read.
        """
        options: dict[str, Any] = {
            "bootstrap_servers": list(self.broker),
            "security_protocol": self.security_protocol,
            "ssl_context": self.ssl_context(),
        }
        if self.security_protocol.startswith("SASL"):
            assert self.sasl_password is not None
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password.get_secret_value(),
            }
        return options


def load_settings(**overrides: Any) -> Settings:
    """The settings from command line, environment, file and defaults.

    Args:
        overrides: settings from the command line; None means that the option was not given.

    Raises:
        SettingsError: something is unknown or wrong; one line per setting, saying which and what to do.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(each) for each in error.errors())) from error
    except ValueError as error:
        # pydantic-settings wraps what a source raised: the file, or JSON in an environment variable.
        raise SettingsError(str(error)) from error


def unknown_variables() -> list[str]:
    """Environment variables that look like settings of qualm and are none: usually a misspelling."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | OTHER_VARIABLES
    return sorted(
        name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known
    )


def config_file() -> Path | None:
    """The configuration file that is in force, None when there is none."""
    named = os.environ.get("QUALM_CONFIG")
    if named:
        return Path(named)
    return Path("qualm.toml") if Path("qualm.toml").is_file() else None


def _read_file() -> dict[str, Any]:
    path = config_file()
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be read ({error.strerror}). Correct QUALM_CONFIG, or unset it."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from error


def _explain(error: Any) -> str:
    """One line for one error of pydantic: the key, what is wrong, where it can be set."""
    where = ".".join(str(part) for part in error["loc"])
    text = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"{where}: no such setting; docs/configuration.md lists them all"
    if not where:
        return text
    return f"{where}: {text} (set it as {PREFIX}{where.upper().split('.')[0]} or in qualm.toml)"
