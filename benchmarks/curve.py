"""The curve of cost against open wires as a picture: `python -m benchmarks.curve BENCH.json OUT.svg`.

BENCH.json is what `qualm bench circuits --json` printed.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Final

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 640, 330, 70, 50, 60  # px
_BAR: Final = 44  # px
_STYLE: Final = "font:13px sans-serif;fill:#333"


def draw(rows: list[dict[str, Any]]) -> str:
    """An SVG of microseconds for a circuit, by open wires. Raises ValueError where the rows hold no curve."""
    curve = [row for row in rows if row["masks"].startswith("open ")]
    if not curve:
        raise ValueError("no rows 'open 0' to 'open 8'; give the output of `qualm bench circuits --json`")
    micros = [1e6 / row["circuits_per_second"] for row in curve]
    batch, wires = curve[0]["batch"], curve[0]["wires"]
    parts = [_text(_WIDTH / 2, 24, f"Microseconds a circuit, {wires} wires, 2 layers, batch {batch:,}")]
    height, step = _HEIGHT - _TOP - _BOTTOM, (_WIDTH - _LEFT) / len(curve)
    for row, value, i in zip(curve, micros, range(len(curve)), strict=True):
        tall = height * value / max(micros)
        x, y = _LEFT + i * step, _TOP + height - tall
        parts.append(f'<rect x="{x:.0f}" y="{y:.1f}" width="{_BAR}" height="{tall:.1f}" fill="#5b7fbd"/>')
        parts.append(_text(x + _BAR / 2, y - 6, f"{value:.2g}"))
        parts.append(_text(x + _BAR / 2, _TOP + height + 20, f"{row['mean_open_wires']:.0f}"))
    parts.append(_text(_WIDTH / 2, _HEIGHT - 12, "open wires of each event"))
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    background = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{background}{"".join(parts)}</svg>\n'


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle" style="{_STYLE}">{text}</text>'


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bench", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    given.out.write_text(draw(json.loads(given.bench.read_text(encoding="utf-8"))), encoding="utf-8")
