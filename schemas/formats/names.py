"""Names of formats, as `--format` and settings take them. Imports nothing, so that `--help` is instant."""

from typing import Final, Literal, get_args

__all__ = ["FORMATS", "Format"]

Format = Literal[
    "auto",
    "json",
    "otlp",
    "otlp_proto",
    "ecs",
    "fluentbit",
    "vector",
    "gelf",
    "journald",
    "syslog_json",
    "k8s_audit",
    "cloudtrail",
    "cloudwatch",
    "gcp",
    "azure",
    "msgpack",
    "text",
]
FORMATS: Final[tuple[str, ...]] = get_args(Format)
