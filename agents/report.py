"""The report of a replay as one HTML page without scripts or links: figures, ablation, alerts."""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

from schemas.alert import Alert, rfc3339

ALERTS: Final = 200
_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.85em;overflow-wrap:anywhere}
.tiles{display:flex;flex-wrap:wrap;gap:1rem}.tile{border:1px solid #d8dee4;border-radius:6px;padding:.6rem 1rem}
.tile b{display:block;font-size:1.3rem}small{color:#57606a}svg{vertical-align:middle}
"""


def _number(value: Any, digits: int = 3) -> str:
    if value is None:
        return "–"
    return f"{value:,.{digits}f}" if isinstance(value, float) else f"{value:,}"


def _tile(name: str, value: str) -> str:
    return f'<div class="tile"><small>{escape(name)}</small><b>{escape(value)}</b></div>'


def _bar(value: float | None, interval: Sequence[float] | None) -> str:
    """F1 as a bar from 0 to 1, with its 95% interval as a line."""
    if value is None:
        return ""
    line = ""
    if interval:
        low, high = (160 * bound for bound in interval)
        line = f'<line x1="{low:.1f}" x2="{high:.1f}" y1="7" y2="7" stroke="#1b1f24" stroke-width="2"/>'
    return (
        f'<svg width="160" height="14" role="img" aria-label="{value:.3f}"><rect width="160" height="14" fill="#eef1f4"/>'
        f'<rect width="{160 * value:.1f}" height="14" fill="#6ea8fe"/>{line}</svg>'
    )


def _ablation(metrics: dict[str, Any]) -> str:
    rows = []
    for name, figures in metrics["ablation"].items():
        if not figures["n"]:
            return "<p>No labels were given, or none names an entity of these events.</p>"
        interval = figures["interval95"].get("f1")
        cells = "".join(
            f'<td class="n">{_number(figures[key])}</td>' for key in ("precision", "recall", "f1", "average_precision", "roc_auc")
        )
        rows.append(f"<tr><td>{escape(name)}</td>{cells}<td>{_bar(figures['f1'], interval)}</td></tr>")
    head = "".join(f'<th class="n">{name}</th>' for name in ("precision", "recall", "F1", "AP", "ROC AUC"))
    return f"<table><tr><th>score</th>{head}<th>F1 with 95% interval</th></tr>{''.join(rows)}</table>"


def _alert_rows(alerts: Sequence[Alert]) -> str:
    rows = []
    for alert in alerts[:ALERTS]:
        why = ", ".join(f"{d.name} {d.value:.1f} (usual {d.expected:.1f})" for d in alert.features)
        rows.append(
            f"<tr><td>{escape(rfc3339(alert.time)[:19])}</td><td>{escape(alert.kind)}</td><td>{escape(alert.source)}"
            f"<br><small>{escape(alert.entity)}</small></td><td><code>{escape(alert.example[:300])}</code><br>"
            f'<small>{escape(why)}</small></td><td class="n">{alert.p_value:.2g}</td></tr>'
        )
    return "".join(rows)


def render(metrics: dict[str, Any], alerts: Sequence[Alert], title: str) -> str:
    """The page, from metrics.json and the first firing alerts."""
    entity, gate = metrics["entity"], metrics["gate"]
    tiles = "".join(
        _tile(name, value)
        for name, value in (
            ("events", _number(metrics["events"])),
            ("events per second", _number(metrics["events_per_second"], 0)),
            ("past the prefilter", _number(100 * (gate["prefilter_rate"] or 0.0), 2) + " %"),
            ("circuits", _number(gate["circuits"])),
            ("open wires", _number(gate["mean_open_wires"], 1)),
            ("alerts", _number(metrics["alerts"])),
            ("entity F1", _number(entity["f1"])),
            ("false alarms per 10k events", _number(metrics["false_alarms_per_10k_events"], 2)),
        )
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1><div class='tiles'>{tiles}</div>"
        f"<h2>What each stage adds, per entity</h2>{_ablation(metrics)}"
        f"<h2>Alerts</h2><p><small>The first {min(len(alerts), ALERTS)} incidents.</small></p><table><tr><th>time</th>"
        f"<th>kind</th><th>source, entity</th><th>what and why</th><th class='n'>p</th></tr>{_alert_rows(alerts)}</table>"
        f"<p><small>bundle {escape(metrics['bundle'][:16])}, qualm {escape(metrics['qualm'])}, circuits on "
        f"{escape(metrics['device'])}</small></p></html>\n"
    )
