"""`qualm demo` end to end: embedded broker, producer, worker process, alerts, score. About a minute."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SECONDS = 300  # a slow machine may take longer than the 90 s that a reader is promised


def test_demo_accounts_for_every_event_and_finds_every_incident(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agents.cli", "demo", "--json"],
        cwd=tmp_path,  # no qualm.toml here
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    assert result["accounted"], result
    assert result["events"] == result["processed"] + result["dead_letters"] > 100_000
    assert [i["kind"] for i in result["incidents"] if not i["found"]] == []
    assert 0 < result["salient_rate"] < 0.1
    assert sum(result["circuits"].values()) == result["salient"]
    assert done.returncode == 0, done.stderr
