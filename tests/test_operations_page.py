"""docs/operations.md names settings, metrics and topics that exist, and every metric."""

import re
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from agents import metrics
from agents.settings import Settings

TEXT = (Path(__file__).parent.parent / "docs" / "operations.md").read_text()


def series() -> dict[str, set[str]]:
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            name = f"{metric._name}_total" if metric._type == "counter" else metric._name
            found[name] = set(metric._labelnames)
    return found


def test_metrics_are_listed_with_their_labels_and_no_others() -> None:
    rows = re.findall(r"^\| `(qualm_\w+)` \|([^|]*)\|", TEXT, flags=re.M)
    listed = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    assert listed == series()


def test_settings_named_in_it_exist() -> None:
    fields = set(Settings.model_fields)
    assert {name.lower() for name in re.findall(r"(?<!_)QUALM_([A-Z_]+)", TEXT)} <= fields
    toml = re.search(r"```toml\n(.*?)```", TEXT, flags=re.S)
    assert toml
    assert set(re.findall(r"^(\w+) =", toml[1], flags=re.M)) <= fields
    for name in re.findall(r"`(\w+_(?:topic|partitions|replication|host|port|records|bytes|\w+file))`", TEXT):
        assert name in fields | set(series())


def test_topics_and_ports_are_the_defaults() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert f"| `{defaults['salient_topic']}` |" in TEXT
    assert f"| `{defaults['suspicious_topic']}` |" in TEXT
    assert f"| `{defaults['alerts_topic']}` |" in TEXT
    assert f"`<topic>{defaults['dead_letter_suffix']}`" in TEXT
    assert f"{defaults['metrics_host']}:{defaults['metrics_port']}" in TEXT
