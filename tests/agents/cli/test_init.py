"""`qualm init`: a file of settings that loads and reads the logs as it says; overwritten only when asked."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli.main import main
from agents.settings import Settings, load_settings
from models.bundle import Bundle
from schemas.formats.options import ReadOptions
from tests.troubleshooting import says


def qualm(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no settings are in force but those that a test writes."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("QUALM_")]:
        monkeypatch.delenv(name)


def logs(name: str, count: int = 600, **more: object) -> Path:
    path = Path(name)
    path.write_text(
        "".join(
            json.dumps(
                {
                    "time": 1_767_225_600 + n,
                    "my_component": "abc"[n % 3],
                    "job": f"j{n // 4}",
                    "msg": f"did {n % 4}",
                }
                | more
            )
            + "\n"
            for n in range(count)
        )
    )
    return path


def test_what_was_found_is_set_and_loads() -> None:
    result = qualm("init", logs("app.jsonl"))
    assert result.exit_code == 0, result.output
    settings = load_settings()
    assert settings.read_options("logs") == ReadOptions(
        format="json", entity_field="job", source_field="my_component"
    )
    assert str(settings.bundle) == "my-bundle"
    assert result.stdout.splitlines()[-3:] == [
        "Next:",
        "  qualm train app.jsonl --out my-bundle",
        "  qualm replay app.jsonl --bundle my-bundle",
    ]
    text = Path("qualm.toml").read_text()
    assert "# it is a JSON object\nformat = 'json'\n" in text
    assert all(len(line) <= 110 for line in text.splitlines())
    assert {f"# {name} = " in text for name in Settings.model_fields} == {False, True}
    for name in Settings.model_fields:  # each once, set or as a comment
        count = sum(line.startswith((f"{name} = ", f"# {name} = ")) for line in text.splitlines())
        assert count == (0 if name == "read" else 2 if name in ("format", "line") else 1), name


def test_every_default_stands_there_as_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uncommented, the file says what holds without it."""
    qualm("init", logs("app.jsonl"))
    lines = Path("qualm.toml").read_text().split("# What follows")[1].splitlines()[1:]
    unset = [line[2:] for line in lines if " = " in line and not line.endswith("...")]
    Path("other.toml").write_text(
        "\n".join(line for line in unset if "<date>" not in line and '"text"' not in line)
    )
    monkeypatch.setenv("QUALM_CONFIG", "other.toml")
    assert load_settings() == Settings(bundle=None)


def test_a_pattern_and_a_line_are_kept_letter_by_letter() -> None:
    path = Path("it's.log")
    path.write_text(
        "".join(f"2026-01-01 00:{n // 60:02}:{n % 60:02} 'job {n // 4}' ran\n" for n in range(600))
    )
    given = {"line": "<date> <time> <message>", "entity_pattern": r"'job (\d+)\'"}
    result = qualm("init", path, "--line", given["line"], "--entity-pattern", given["entity_pattern"])
    assert result.exit_code == 0, result.output
    assert load_settings().read_options("logs") == ReadOptions(**given)  # type: ignore[arg-type]  # as given
    train = shlex.split(result.stdout.splitlines()[-2])
    assert train == ["qualm", "train", "it's.log", "--out", "my-bundle"]
    trained = qualm(*train[1:], "--steps", 3, "--wires", 2)  # by the settings just written
    assert trained.exit_code == 0, trained.output
    reading = Bundle.load(Path("my-bundle")).manifest.read_options()
    assert reading == ReadOptions(**given)  # type: ignore[arg-type]  # as given


def test_what_old_settings_say_is_not_carried_over() -> None:
    Path("qualm.toml").write_text("line = '<a> <b> <c> <message>'\nentity_field = 'x'\n")
    assert qualm("init", logs("app.jsonl"), "--force").exit_code == 0
    assert load_settings().read_options("logs").line is None
    assert load_settings().read_options("logs").entity_field == "job"


def test_another_file_is_named_in_front_of_the_commands() -> None:
    result = qualm("init", logs("app.jsonl"), "--out", "my shop.toml")
    for line in result.stdout.splitlines()[-2:]:
        assert line.startswith("  QUALM_CONFIG='my shop.toml' qualm ")


def test_too_little_to_train_on_leaves_the_default_bundle() -> None:
    result = qualm("init", logs("few.jsonl", 20))
    assert result.exit_code == 0, result.output
    assert load_settings().bundle is None
    assert "train" not in result.stdout


def test_a_file_is_overwritten_only_when_asked(tmp_path: Path) -> None:
    path = logs("app.jsonl")
    Path("qualm.toml").write_text("topics = 'mine'\n")
    result = qualm("init", path)
    assert result.exit_code == 2
    says(result.stderr, "…: is there already; --force overwrites it, --out names another file")
    assert Path("qualm.toml").read_text() == "topics = 'mine'\n"
    assert qualm("init", path, "--out", "other.toml").exit_code == 0
    assert qualm("init", path, "--force").exit_code == 0
    assert "mine" not in Path("qualm.toml").read_text()
    refused = qualm("init", path, "--out", tmp_path / "absent" / "x.toml")
    assert refused.exit_code == 1
    assert "cannot be written" in refused.stderr


def test_nothing_that_can_be_read_writes_nothing() -> None:
    Path("empty.log").touch()
    result = qualm("init", "empty.log")
    assert result.exit_code == 1
    says(result.stderr, "the input holds no records; is it the right file or topic?")
    assert not Path("qualm.toml").exists()


def test_topics_of_two_brokers_are_refused() -> None:
    result = qualm("init", "kafka://a:1/x", "kafka://b:1/y")
    assert result.exit_code == 2
    assert "of 2 brokers" in result.stderr


def test_names_of_strangers_do_no_harm() -> None:
    """A newline in a file's name would else end the comment."""
    result = qualm("init", logs('a\nbroker = "evil:1".jsonl'))
    assert result.exit_code == 0
    assert load_settings().broker == ("127.0.0.1:9092",)


def test_a_schema_registry_is_set_for_the_next_commands() -> None:
    pytest.importorskip("authlib", reason="needs the extra: pip install 'qualm[registry]'")
    address = "http://registry:8081"
    result = qualm("init", logs("app.jsonl"), "--schema-registry", address)
    assert result.exit_code == 0, result.output
    assert load_settings().schema_registry == address
