from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from agents import settings_page
from agents.cli.main import main
from agents.cli.options import read_options
from agents.doctor import _reading
from agents.settings import Settings, SettingsError, load_settings, unknown_variables
from models.bundle import Bundle
from schemas.formats.options import ReadOptions
from tests.troubleshooting import says

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
        ("false_alarms = 'often'", "false_alarms"),
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
    assert (ROOT / "docs" / "configuration.md").read_text() == settings_page.configuration_page()
    assert (ROOT / "qualm.example.toml").read_text() == settings_page.example_toml()


def test_the_example_is_a_valid_file(tmp_path: Path) -> None:
    # Every setting uncommented with its default gives the defaults.
    text = settings_page.example_toml().partition("# [read.")[0]
    lines = [line.removeprefix("# ") for line in text.splitlines() if " = " in line]
    kept = [
        line for line in lines if line.split(" = ")[0] in Settings.model_fields and not line.endswith("...")
    ]
    defaults = load_settings()
    (tmp_path / "qualm.toml").write_text("\n".join(kept))
    assert len(kept) > 15
    assert load_settings() == defaults


HEADER = "<date> <time> <message>"
readings = st.fixed_dictionaries(
    {},
    optional={
        "format": st.sampled_from(["auto", "json", "otlp", "text"]),
        "line": st.sampled_from([HEADER, "<level> <message>"]),
        "entity_field": st.sampled_from(["request", "id"]),
        "entity_pattern": st.sampled_from(["r-[0-9]+", "blk_[0-9]+"]),
        "source_field": st.sampled_from(["host", "service"]),
        "time_field": st.sampled_from(["at", "when"]),
    },
)


@settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trained=readings, wanted=readings)
def test_worker_and_replay_read_alike(trained: dict[str, str], wanted: dict[str, str]) -> None:
    """Settings of a worker and the command line of a replay, with the same bundle and the same wishes."""
    assume(trained.get("format", "text") == "text" or "line" not in trained)
    bundle = ReadOptions(**trained)  # type: ignore[arg-type]
    contradicts = wanted.get("format") in ("json", "otlp") and "line" in wanted
    if contradicts:
        with pytest.raises(SettingsError, match="give one of them"):
            load_settings(**wanted)
        with pytest.raises(SystemExit):
            read_options(bundle, wanted)
    else:
        assert load_settings(**wanted).read_options("logs", bundle) == read_options(bundle, wanted)


def test_a_bundle_of_text_on_a_topic_of_json_is_read_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUALM_FORMAT", "json")
    found = load_settings().read_options("logs", ReadOptions("text", HEADER, entity_field="request"))
    assert (found.format, found.line, found.entity_field) == ("json", None, "request")


def test_the_pattern_of_the_settings_replaces_the_field_of_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "qualm.toml").write_text("entity_pattern = 'r-[0-9]+'\n[read.other]\nentity_field = 'id'\n")
    trained = ReadOptions(entity_field="request")
    logs, other = (load_settings().read_options(topic, trained) for topic in ("logs", "other"))
    assert (logs.entity_field, logs.entity_pattern) == (None, "r-[0-9]+")
    assert (other.entity_field, other.entity_pattern) == ("id", None)


def test_commands_read_a_topic_as_a_worker_does_and_options_win(tmp_path: Path) -> None:
    (tmp_path / "qualm.toml").write_text(
        "entity_field = 'a'\nmax_record_bytes = 99\n[read.b]\nformat = 'text'\nentity_pattern = 'p'\n"
    )
    trained = ReadOptions("json", source_field="host")
    for topic in ("logs", "b"):
        read = read_options(trained, {}, [f"kafka://127.0.0.1:9092/{topic}"])
        assert read == load_settings().read_options(topic, trained)
    for inputs in ([], ["app.log"], ["kafka://h:1/logs", "kafka://h:1/c"]):
        read = read_options(trained, {"source_field": "pod", "line": None}, inputs)
        assert read == ReadOptions("json", entity_field="a", source_field="pod", max_record_bytes=99)
    read = read_options(trained, {"format": "otlp", "entity_field": "c"}, ["kafka://h:1/b"])
    assert read == ReadOptions("otlp", entity_field="c", source_field="host", max_record_bytes=99)


def test_topics_that_are_read_differently_are_not_read_as_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "qualm.toml").write_text("[read.b]\nformat = 'text'\n")
    both = ["kafka://h:1/a", "kafka://h:1/b"]
    with pytest.raises(SystemExit) as ended:
        read_options(ReadOptions(), {}, both)
    assert ended.value.code == 2
    says(
        capsys.readouterr().err, "… and … are read differently ([read.TOPIC] in settings); give one at a time"
    )
    assert read_options(ReadOptions(), {"format": "json"}, both).format == "json"


def test_training_and_inspection_read_files_by_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle remembers it, and a replay elsewhere reads as it remembers."""
    logs, bundle = tmp_path / "app.log", tmp_path / "b"
    logs.write_text(
        "".join(f"2026-01-01 00:{n // 60:02}:{n % 60:02}|job-{n // 4}|step {n % 4}\n" for n in range(600))
    )
    (tmp_path / "qualm.toml").write_text("line = '<date> <time>|<source>|<message>'\n")
    run = CliRunner().invoke
    seen = json.loads(run(main, ["inspect", str(logs), "--json"]).stdout)
    assert seen["events"][0]["message"] == "step 0"
    trained = run(main, ["train", str(logs), "--out", str(bundle), "--steps", "3", "--wires", "2"])
    assert trained.exit_code == 0, trained.output
    assert Bundle.load(bundle).manifest.read_options().line == "<date> <time>|<source>|<message>"
    (tmp_path / "qualm.toml").unlink()
    replayed = run(main, ["replay", str(logs), "--bundle", str(bundle), "--json"])
    assert replayed.exit_code == 0, replayed.output
    assert "no source" not in replayed.stderr
    monkeypatch.setenv("QUALM_LINE", "<source>|<message>")
    assert "no time" in run(main, ["replay", str(logs), "--bundle", str(bundle), "--json"]).stderr


def test_doctor_says_how_each_topic_is_read(tmp_path: Path) -> None:
    text = "topics = ['a', 'b']\n[read.b]\nformat = 'text'\n[read.typo]\nformat = 'json'\n"
    (tmp_path / "qualm.toml").write_text(text)
    checks = {check.name: check for check in _reading(load_settings(), Bundle.default())}
    assert {name: (check.status, check.text) for name, check in checks.items()} == {
        "reading a": ("ok", "format auto (as the bundle was trained)"),
        "reading b": ("ok", "format text (as set)"),
        "reading typo": ("warn", "set, but no worker reads this topic"),
    }
