"""The documentation of all settings, written from their definition: ``python -m agents.settings_page``."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic.fields import FieldInfo

from agents.settings import PREFIX, Settings

__all__ = ["commented", "configuration_page", "example_toml", "in_order", "settings_table"]


def _shown(field: FieldInfo) -> str:
    """The default of a setting as TOML would write it, empty when it is unset."""
    value = field.get_default(call_default_factory=True)
    if value is None:
        return ""
    if isinstance(value, tuple):
        value = ",".join(value)
    return json.dumps(value) if isinstance(value, str | int | float) else ""


def settings_table() -> str:
    """All settings as a Markdown table."""
    rows = ["| setting | environment | default | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        shown = f"`{_shown(field)}`" if _shown(field) else "unset"
        rows.append(f"| `{name}` | `{PREFIX}{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(rows) + "\n"


def example_toml() -> str:
    """A configuration file in which every setting stands, commented out, with its meaning and default."""
    lines = [
        "# Settings of qualm. Copy this file to qualm.toml and change what you need; docs/configuration.md",
        "",
    ]
    for name in in_order():
        lines += commented(name)
    return "\n".join(lines).rstrip("\n") + "\n"


def in_order() -> list[str]:
    """Names of all settings as a file has them: a table comes last."""
    return [name for name in Settings.model_fields if name != "read"] + ["read"]


def commented(name: str) -> list[str]:
    """Lines for a setting that is left unset: its meaning, and itself with its default as a comment."""
    field = Settings.model_fields[name]
    if name == "read":
        example = "'<date> <time> <pid> <level> <logger>: <message>'"
        return [f"# {field.description}", "# [read.my-topic]", '# format = "text"', f"# line = {example}", ""]
    return [f"# {field.description}", f"# {name} = {_shown(field) or '...'}", ""]


def configuration_page() -> str:
    """The page ``docs/configuration.md``."""
    return f"""# Configuration

A setting comes from, in this order: the command line, the environment variable, the file named by
`QUALM_CONFIG` (`./qualm.toml` when that is unset and the file exists), the default. An unknown key in the
file is an error. `qualm doctor` says whether the configuration is valid and names environment variables that
are none of these, and how each topic is read. `qualm.example.toml` holds every setting with its default. This
page is written by `python -m agents.settings_page`.

How lines are read is the bundle's, overridden by the settings, these by those of a topic, and all of them by
options of the command line. This holds for topics and files alike, in a worker as in `qualm train` (which has
no bundle yet), `replay`, `explain` and `inspect`; a bundle remembers how the logs of its training were read.
A format other than text replaces a line header, a line header the format, and the field of the entity and its
pattern replace each other. Two settings that contradict each other are an error at start.

{settings_table()}
One topic read unlike the others, in `qualm.toml`:

```toml
topics = ["services", "datanodes"]

[read.datanodes]
format = "text"
line = '<date> <time> <pid> <level> <logger>: <message>'
entity_pattern = 'blk_-?\\d+'
```

A broker with TLS and a password, in the environment:

```
QUALM_BROKER=kafka.example.org:9093
QUALM_SECURITY_PROTOCOL=SASL_SSL
QUALM_SASL_USERNAME=qualm
QUALM_SASL_PASSWORD=...
QUALM_SSL_CAFILE=/etc/qualm/ca.pem
```
"""


if __name__ == "__main__":
    root = Path(__file__).parent.parent
    (root / "docs" / "configuration.md").write_text(configuration_page(), encoding="utf-8")
    (root / "qualm.example.toml").write_text(example_toml(), encoding="utf-8")
