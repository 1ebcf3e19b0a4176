"""The report of a replay as one HTML page without scripts or links: figures, ablation, mistakes, alerts."""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

from agents.printable import page_text as _text
from agents.report_units import UNITS_STYLE, worst_units
from models.evidence_history import WorstUnits
from schemas.alert import Alert, rfc3339

ALERTS: Final = 200
_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
body{color:#1b1f24;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.85em;overflow-wrap:anywhere}
.tiles{display:flex;flex-wrap:wrap;gap:1rem}
.tile{border:1px solid #d8dee4;border-radius:6px;padding:.6rem 1rem}
.tile b{display:block;font-size:1.3rem}small{color:#57606a}svg{vertical-align:middle}
.t{white-space:nowrap}.s{overflow-wrap:anywhere;min-width:8rem}.wide{overflow-x:auto}.w{min-width:16rem}
code{unicode-bidi:isolate}
"""


def _number(value: Any, digits: int = 3) -> str:
    if value is None:
        return "-"
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
        f'<svg width="160" height="14" role="img" aria-label="{value:.3f}">'
        '<rect width="160" height="14" fill="#eef1f4"/>'
        f'<rect width="{160 * value:.1f}" height="14" fill="#6ea8fe"/>{line}</svg>'
    )


def _ablation(metrics: dict[str, Any]) -> str:
    rows = []
    for name, figures in metrics["ablation"].items():
        if not figures["n"]:
            return "<p>No labels were given, or none names an entity of these events.</p>"
        interval = figures["interval95"].get("f1")
        cells = "".join(
            f'<td class="n">{_number(figures[key])}</td>'
            for key in ("precision", "recall", "f1", "average_precision", "roc_auc")
        )
        rows.append(f"<tr><td>{escape(name)}</td>{cells}<td>{_bar(figures['f1'], interval)}</td></tr>")
    head = "".join(f'<th class="n">{name}</th>' for name in ("precision", "recall", "F1", "AP", "ROC AUC"))
    head = f"<tr><th>score</th>{head}<th>F1 with 95% interval</th></tr>"
    return f"<div class='wide'><table>{head}{''.join(rows)}</table></div>"


def _alert_rows(alerts: Sequence[Alert]) -> str:
    rows = []
    for alert in alerts[:ALERTS]:
        why = ", ".join(
            f"{each.name} {each.value:.1f} (usual {each.expected:.1f})" for each in alert.features
        )
        date, time = rfc3339(alert.time)[:19].split("T")
        rows.append(
            f'<tr><td class="t"><small>{date}</small><br>{time}</td><td>{escape(alert.kind)}</td>'
            f'<td class="s">{_text(alert.source)}<br><small>{_text(alert.entity)}</small></td>'
            f'<td class="w"><code>{_text(alert.example, 300)}</code><br><small>{escape(why)}</small></td>'
            f'<td class="n">{alert.p_value:.2g}</td></tr>'
        )
    return "".join(rows)


def _tiles(metrics: dict[str, Any]) -> str:
    gate, entity = metrics["gate"], metrics["entity"]
    tiles = [
        ("events", _number(metrics["events"])),
        ("entities", _number(metrics["entities"]) + ("" if metrics["entities_exact"] else " or more")),
        ("events per second", _number(metrics["events_per_second"], 0)),
        ("past the prefilter", _number(100 * (gate["prefilter_rate"] or 0.0), 2) + " %"),
        ("circuits", _number(gate["circuits"])),
        ("open wires, mean", _number(gate["mean_open_wires"], 1)),
        ("incidents", _number(metrics["incidents"]["n"])),
        ("pages", _number(metrics["pages"])),
    ]
    if entity["n"]:
        tiles += [
            ("entity F1", _number(entity["f1"])),
            ("false alarms per 10k events", _number(metrics["false_alarms_per_10k_events"], 2)),
        ]
    if metrics["dead_letters"]:
        tiles.append(("records not used", _number(sum(metrics["dead_letters"].values()))))
    return f"<div class='tiles'>{''.join(_tile(name, value) for name, value in tiles)}</div>"


def _alert_table(metrics: dict[str, Any], alerts: Sequence[Alert]) -> str:
    if not alerts:
        return "<p>None.</p>"
    shown, all_of_them = min(len(alerts), ALERTS), metrics["incidents"]["n"]
    which = f"All {shown:,}" if shown == all_of_them else f"The first {shown:,} of {all_of_them:,}"
    head = "<th>time, UTC</th><th>kind</th><th>source, entity</th><th>what and why</th><th class='n'>p</th>"
    return (
        f"<p><small>{which}, by their first alert.</small></p>"
        f"<div class='wide'><table><tr>{head}</tr>{_alert_rows(alerts)}</table></div>"
    )


def render(
    metrics: dict[str, Any], alerts: Sequence[Alert], worst: WorstUnits, threshold: float, title: str
) -> str:
    """The page, from metrics.json, the first alerts of incidents, and the worst mistakes; threshold: evidence
    from which on a row is salient, nats.
    """
    made_by = f"bundle {metrics['bundle'][:16]}, qualm {metrics['qualm']}, circuits on {metrics['device']}"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{_STYLE}{UNITS_STYLE}</style><h1>{_text(title)}</h1>{_tiles(metrics)}"
        f"<h2>What each stage adds, per entity</h2>{_ablation(metrics)}"
        f"{worst_units(worst, threshold) if metrics['entity']['n'] else ''}"
        f"<h2>Incidents</h2>{_alert_table(metrics, alerts)}<p><small>{_text(made_by)}</small></p></html>\n"
    )
