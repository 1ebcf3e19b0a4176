from __future__ import annotations

from pathlib import Path

import pytest

from agents import settings as module
from agents.settings import Settings, SettingsError, load_settings, unknown_variables
from schemas.formats.options import ReadOptions

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in unknown_variables() + [f"QUALM_{name.upper()}" for name in Settings.model_fields]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("QUALM_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


def test_command_line_wins_over_environment_over_file_over_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "qualm.toml").write_text('group = "file"\nrole = "triage"\nstart = "latest"\n')
    monkeypatch.setenv("QUALM_GROUP", "environment")
    monkeypatch.setenv("QUALM_ROLE", "evaluate")
    found = load_settings(group="command line", role=None)
    assert (found.group, found.role, found.start) == ("command line", "evaluate", "latest")
    assert found.alerts_topic == "qualm.alerts"


def test_file_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text('topics = ["a", "b"]\n[read.b]\nformat = "text"\nentity_pattern = "x"\n')
    monkeypatch.setenv("QUALM_CONFIG", str(path))
    found = load_settings()
    assert found.topics == ("a", "b")
    assert found.read_options("a").format == "auto"
    assert found.read_options("b", ReadOptions(format="json", entity_field="id")).format == "text"
    assert found.read_options("b", ReadOptions(entity_field="id")).entity_field is None
    assert found.read_options("a", ReadOptions(entity_field="id")).entity_field == "id"


def test_lists_may_be_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUALM_BROKER", "one:9092, [::1]:9093")
    assert load_settings(topics="a,b").topics == ("a", "b")
    assert load_settings().broker == ("one:9092", "[::1]:9093")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("brokr = 'a:1'", "brokr"),
        ("[read.logs]\nformatt = 'json'", "read.logs.formatt"),
        ("role = 'both'", "role"),
        ("broker = 'localhost'", "host:port"),
        ("broker = 'localhost:99999'", "host:port"),
        ("topics = 'a b'", "topic name"),
        ("topics = []", "at least one topic"),
        ("topics = 'qualm.alerts'", "different topics"),
        ("security_protocol = 'SASL_SSL'", "sasl_username"),
        ("false_alarm_rate = 2", "false_alarm_rate"),
        ("entity_pattern = '('", "entity"),
        ("ssl_keyfile = 'key.pem'", "ssl_certfile"),
        ("no toml", "TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "qualm.toml").write_text(text)
    with pytest.raises(SettingsError, match=named):
        load_settings()


def test_a_missing_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUALM_CONFIG", "absent.toml")
    with pytest.raises(SettingsError, match=r"absent\.toml"):
        load_settings()


def test_the_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUALM_SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("QUALM_SASL_USERNAME", "me")
    monkeypatch.setenv("QUALM_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    found = load_settings()
    assert "hunter2" not in f"{found!r} {found} {found.model_dump_json()}"
    assert found.client_options()["sasl_plain_password"] == "hunter2"
    monkeypatch.setenv("QUALM_ROLE", "hunter2")
    with pytest.raises(SettingsError) as caught:
        load_settings(sasl_password=7)
    assert "hunter2" not in str(caught.value)


def test_tls_with_an_absent_certificate_says_so() -> None:
    with pytest.raises(SettingsError, match="ssl_cafile"):
        load_settings(security_protocol="SSL", ssl_cafile="absent.pem").client_options()


def test_misspelt_variables_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUALM_BROKKER", "x")
    assert "QUALM_BROKKER" in unknown_variables()


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_the_written_documentation_is_true() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == module.configuration_page()
    assert (ROOT / "qualm.example.toml").read_text() == module.example_toml()


def test_the_example_is_a_valid_file(tmp_path: Path) -> None:
    # Every setting uncommented with its default gives the defaults.
    text = module.example_toml().partition("# [read.")[0]
    lines = [line.removeprefix("# ") for line in text.splitlines() if " = " in line]
    kept = [
        line for line in lines if line.split(" = ")[0] in Settings.model_fields and not line.endswith("...")
    ]
    defaults = load_settings()
    (tmp_path / "qualm.toml").write_text("\n".join(kept))
    assert len(kept) > 15
    assert load_settings() == defaults
