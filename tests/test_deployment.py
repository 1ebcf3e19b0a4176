"""docker-compose.yml, Dockerfile and deploy/ say nothing that the code does not know."""

import json
import re
import shlex
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from agents import metrics
from agents.cli.main import main
from agents.settings import Settings, load_settings, unknown_variables

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = {name: service for name, service in SERVICES.items() if "build" in service}
WORKERS = {name: service for name, service in OWN.items() if service["command"][0] == "worker"}
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())
GRAFANA = ROOT / "deploy/grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards/qualm.json").read_text())
DATASOURCES: list[dict[str, Any]] = yaml.safe_load(
    (GRAFANA / "provisioning/datasources/prometheus.yml").read_text()
)["datasources"]
DOCKERFILE = [
    line.split(maxsplit=1)
    for line in re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text()).splitlines()
    if line.strip() and not line.startswith("#")
]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXPRESSIONS = [(panel["title"], t) for panel in DASHBOARD["panels"] for t in panel["targets"]]
# Those of ProcessCollector, which are no objects of ours.
PROCESS_METRICS = {"process_resident_memory_bytes": set[str](), "process_cpu_seconds_total": set[str]()}


def known_metrics() -> dict[str, set[str]]:
    """Every series a worker serves, with its labels."""
    known = dict(PROCESS_METRICS)
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            labels = set(metric._labelnames)
            if metric._type == "counter":
                known[f"{metric._name}_total"] = labels
            elif metric._type == "histogram":
                known |= {f"{metric._name}_bucket": labels | {"le"}, f"{metric._name}_sum": labels}
                known[f"{metric._name}_count"] = labels
            else:
                known[metric._name] = labels
    return known


def settings_of(service: dict[str, Any], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Settings:
    """The settings that a worker of the compose file ends up with."""
    monkeypatch.chdir(folder)
    for name, value in service["environment"].items():
        monkeypatch.setenv(name, value)
    assert unknown_variables() == []
    return load_settings()


def instructions(name: str) -> list[str]:
    return [rest for keyword, rest in DOCKERFILE if keyword == name]


def listeners(name: str) -> dict[str, str]:
    """A Kafka listener list, ``NAME://host:port,...``, by name."""
    return dict(entry.split("://") for entry in SERVICES["kafka"]["environment"][name].split(","))


# --- compose ---


def test_compose_has_what_the_readme_promises() -> None:
    assert set(SERVICES) == {"kafka", "triage", "evaluate", "producer", "prometheus", "grafana"}
    roles = {service["environment"]["QUALM_ROLE"] for service in WORKERS.values()}
    assert roles == {"triage", "evaluate"}


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    image = SERVICES[name]["image"]
    assert re.search(r":v?\d+\.\d+\.\d+$", image), f"{image} has no full version"
    if name in OWN:
        assert image == f"qualm:{PROJECT['version']}"


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


@pytest.mark.parametrize("name", SERVICES)
def test_dependencies_exist_and_can_become_healthy(name: str) -> None:
    for other, condition in SERVICES[name].get("depends_on", {}).items():
        assert condition == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[other]


def test_everything_that_serves_has_a_healthcheck() -> None:
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {"producer"}


@pytest.mark.parametrize("name", SERVICES)
def test_mounted_paths_exist_and_volumes_are_declared(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        source, target = mount.split(":")[:2]
        assert target.startswith("/")
        if source.startswith("./"):
            assert (ROOT / source).exists(), f"{source} is mounted but does not exist"
            assert mount.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", OWN)
def test_commands_and_options_exist(name: str) -> None:
    command, *arguments = OWN[name]["command"]
    assert isinstance(main, click.Group)
    assert command in main.commands, f"there is no `qualm {command}`"
    # Parsing without running: an unknown option or a missing value raises.
    main.commands[command].make_context(command, list(arguments), resilient_parsing=False)


def test_environment_of_workers_is_valid_and_complete(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for service in WORKERS.values():
        settings = settings_of(service, monkeypatch, tmp_path)
        assert settings.role == service["environment"]["QUALM_ROLE"]
        assert settings.metrics_host == "0.0.0.0", "Prometheus runs in another container"
        assert settings.topic_replication == 1, "there is one broker"
        assert settings.metrics_port == int(instructions("EXPOSE")[0])
        assert f"http://127.0.0.1:{settings.metrics_port}/metrics" in service["healthcheck"]["test"][-1]
        compile(service["healthcheck"]["test"][-1], "healthcheck", "exec")


def test_producer_writes_to_what_triage_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = OWN["producer"]["command"]
    options = dict(pairwise(command))
    settings = settings_of(SERVICES["triage"], monkeypatch, tmp_path)
    assert options["--broker"] in settings.broker
    assert options["--topic"] in settings.topics


def test_kafka_is_reachable_from_containers_and_from_the_host() -> None:
    environment = SERVICES["kafka"]["environment"]
    listening, advertised = listeners("KAFKA_LISTENERS"), listeners("KAFKA_ADVERTISED_LISTENERS")
    protocols = dict(
        entry.split(":") for entry in environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    )
    controller = environment["KAFKA_CONTROLLER_LISTENER_NAMES"]
    assert set(listening) == set(protocols) == set(advertised) | {controller}
    for name, address in advertised.items():
        assert listening[name].split(":")[1] == address.split(":")[1]
    assert environment["KAFKA_INTER_BROKER_LISTENER_NAME"] in advertised
    inside = advertised[environment["KAFKA_INTER_BROKER_LISTENER_NAME"]]
    assert inside.split(":")[0] == "kafka"
    assert {service["environment"]["QUALM_BROKER"] for service in WORKERS.values()} == {inside}
    assert inside in SERVICES["kafka"]["healthcheck"]["test"][-1]
    (published,) = SERVICES["kafka"]["ports"]
    assert advertised["HOST"] == published.rsplit(":", 1)[0]
    assert published.rsplit(":", 1)[1] == advertised["HOST"].split(":")[1]
    voters = environment["KAFKA_CONTROLLER_QUORUM_VOTERS"]
    assert voters == f"{environment['KAFKA_NODE_ID']}@kafka:{listening[controller].split(':')[1]}"
    assert f"kafka-data:{environment['KAFKA_LOG_DIRS']}" in SERVICES["kafka"]["volumes"]


def test_roles_do_not_share_a_group_but_everything_else() -> None:
    environments = [dict(service["environment"]) for service in WORKERS.values()]
    groups = {environment.pop("QUALM_GROUP") for environment in environments}
    assert len(groups) == len(environments)
    for environment in environments:
        del environment["QUALM_ROLE"]
    assert all(environment == environments[0] for environment in environments)


# --- Prometheus and Grafana ---


def test_prometheus_scrapes_every_worker_at_its_port() -> None:
    (job,) = PROMETHEUS["scrape_configs"]
    (discovery,) = job["dns_sd_configs"]
    assert set(discovery["names"]) == set(WORKERS)
    ports = {int(service["environment"]["QUALM_METRICS_PORT"]) for service in WORKERS.values()}
    assert ports == {discovery["port"]}
    assert "metrics_path" not in job, "the worker serves the default, /metrics"


def test_prometheus_reads_the_file_that_is_mounted() -> None:
    assert "./deploy/prometheus.yml:/etc/prometheus/prometheus.yml:ro" in SERVICES["prometheus"]["volumes"]


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_healthchecks_ask_the_port_that_is_published(name: str) -> None:
    (published,) = SERVICES[name]["ports"]
    url = SERVICES[name]["healthcheck"]["test"][-1]
    assert url.startswith(f"http://127.0.0.1:{published.rsplit(':', 1)[1]}/")


def test_grafana_is_provisioned_with_prometheus_and_the_dashboard() -> None:
    (source,) = DATASOURCES
    assert source["type"] == "prometheus"
    (published,) = SERVICES["prometheus"]["ports"]
    assert source["url"] == f"http://prometheus:{published.rsplit(':', 1)[1]}"
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/qualm.yml").read_text())["providers"]
    path = provider["options"]["path"]
    assert f"./deploy/grafana/dashboards:{path}:ro" in SERVICES["grafana"]["volumes"]
    assert "./deploy/grafana/provisioning:/etc/grafana/provisioning:ro" in SERVICES["grafana"]["volumes"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{path}/qualm.json"


def test_panels_use_the_provisioned_datasource() -> None:
    used = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]}
    used |= {target["datasource"]["uid"] for _, target in EXPRESSIONS}
    assert used == {source["uid"] for source in DATASOURCES}


@pytest.mark.parametrize(("title", "target"), EXPRESSIONS)
def test_panels_name_metrics_and_labels_that_exist(title: str, target: dict[str, str]) -> None:
    known = known_metrics()
    names = re.findall(r"\b(?:qualm|process)_\w+", target["expr"])
    assert names, f"{title} shows nothing of qualm"
    assert set(names) <= set(known), f"{title} asks for {set(names) - set(known)}"
    labels = set().union(*(known[name] for name in names))
    by = [label for group in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for label in group.split(", ")]
    matched = re.findall(r"(\w+)=~?\"", target["expr"])
    assert set(by) | set(matched) <= labels
    # What a legend shows must have survived the aggregation; Prometheus adds `instance` itself.
    shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    assert shown <= (set(by) if "sum" in target["expr"] or "max" in target["expr"] else {"instance"})


def test_dashboard_shows_every_metric_that_tells_how_qualm_does() -> None:
    text = " ".join(target["expr"] for _, target in EXPRESSIONS)
    for name in (
        *("qualm_events_total", "qualm_prefiltered_total", "qualm_salient_total", "qualm_circuits_total"),
        *("qualm_open_wires_total", "qualm_alerts_total", "qualm_dead_letters_total", "qualm_lag_records"),
        *("qualm_batch_seconds_bucket", "qualm_rows_total"),
    ):
        assert name in text


def test_panels_do_not_overlap_and_fit_the_grid() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        area = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not area & cells, f"{panel['title']} overlaps another panel"
        cells |= area
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


# --- Dockerfile ---


def test_image_has_a_python_that_qualm_supports() -> None:
    (image,) = instructions("FROM")
    match = re.fullmatch(r"python:(\d+)\.(\d+)-slim", image)
    assert match
    wanted = re.fullmatch(r">=(\d+)\.(\d+)", PROJECT["requires-python"])
    assert wanted
    assert tuple(map(int, match.groups())) >= tuple(map(int, wanted.groups()))


def test_image_copies_files_that_exist_and_all_that_the_package_needs() -> None:
    copied = [source for rest in instructions("COPY") for source in shlex.split(rest)[:-1]]
    for source in copied:
        assert (ROOT / source).exists(), f"COPY {source}: no such file"
    assert {"schemas", "models", "agents", "pyproject.toml", PROJECT["readme"]} <= set(copied)
    assert "benchmarks" not in copied, "a worker needs no benches"
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == set(copied), ".dockerignore must let through what is copied"


def test_image_installs_the_locked_versions_and_runs_without_root() -> None:
    (install,) = (rest for rest in instructions("RUN") if "pip install" in rest)
    match = re.search(r"--constraint (\S+)", install)
    assert match
    assert (ROOT / match[1]).exists()
    keywords = [keyword for keyword, _ in DOCKERFILE]
    (user,) = instructions("USER")
    assert user != "root"
    assert any(re.search(rf"useradd .*\b{user}$", rest) for rest in instructions("RUN"))
    assert keywords.index("USER") < keywords.index("ENTRYPOINT")


def test_image_starts_a_command_that_exists() -> None:
    (entry,) = map(json.loads, instructions("ENTRYPOINT"))
    assert entry[0] in PROJECT["scripts"]
    (command,) = map(json.loads, instructions("CMD"))
    assert isinstance(main, click.Group)
    assert command[0] in main.commands
