"""One story told in full: from some records to every alert, each field of it as it must be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from models.bundle import Bundle
from schemas.alert import Alert
from tests.story import tell
from tests.story.bundle import make_bundle
from tests.story.events import RECORDS
from tests.story.expected import STORY, SUSPICIOUS, Told, alert_of


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("story") / "bundle")


def approximately(value: Any) -> Any:
    """The same with numbers that float32 may have rounded."""
    if isinstance(value, dict):
        return {name: approximately(each) for name, each in value.items()}
    if isinstance(value, list):
        return [approximately(each) for each in value]
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value


def check(alerts: list[Alert], topic: str, bundle: Bundle, story: Sequence[Told] = STORY) -> None:
    """Every alert of the story and no other, in their order."""
    found = [alert.model_dump() for alert in alerts]
    expected = [alert_of(told, topic, bundle.digest) for told in story]
    for got, wanted in zip(found, expected, strict=False):
        assert got == approximately(wanted)
    assert len(found) == len(expected)


@pytest.mark.parametrize("size", [1, 7, len(RECORDS)])
def test_in_batches(bundle: Bundle, size: int) -> None:
    suspicious, alerts, dead = tell.directly(bundle, size)
    check(suspicious, "file", bundle, SUSPICIOUS)
    check(alerts, "file", bundle)
    assert dead == [57]


def test_what_is_delivered_twice_is_told_once(bundle: Bundle) -> None:
    suspicious, alerts, _ = tell.directly(bundle, 7, times=2)
    check(suspicious, "file", bundle, SUSPICIOUS)
    check(alerts, "file", bundle)


def test_by_a_replay_of_the_file(bundle: Bundle, tmp_path: Path) -> None:
    check(tell.by_replay(bundle, [str(tell.written(tmp_path / "story.jsonl"))]), "file", bundle)
