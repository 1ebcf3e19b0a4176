"""The mistakes of a replay, for its page: how the evidence of the worst misses and false alarms grew."""

from collections.abc import Sequence
from typing import Final

from agents.printable import page_text
from models.evidence_history import Point, UnitHistory, WorstUnits
from schemas.alert import rfc3339
from schemas.salient import Trigger

UNITS_STYLE: Final = """
.unit{border:1px solid #d8dee4;border-radius:6px;padding:.6rem 1rem;margin:.8rem 0}
.unit>div{display:flex;flex-wrap:wrap;gap:.3rem 1.5rem;align-items:flex-start}
.unit svg{flex:0 1 26rem;min-width:0;width:100%;height:auto}
.unit>div>div{flex:1 1 18rem;min-width:0;font-size:.87rem}.unit td,.unit th{padding:.15rem .4rem}
.unit td div{padding-left:.8em;text-indent:-.8em;overflow-wrap:anywhere}
.bad{color:#a40e26}.odd{color:#7a4a00}
"""
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 408, 30, 138  # edges of the area that evidence is drawn in, pixels
_GREY, _LINE, _FAULT, _ALERT = "#57606a", "#2f6fd6", "#cf222e", "#9a6700"
_OWN: Final = {  # how a row that adds no reason is told, by what brought it
    Trigger.EVENT: "logs “{}”",
    Trigger.ENTITY_END: "has ended after “{}”",
    Trigger.SILENCE: "its source falls silent after “{}”",
    Trigger.OVERDUE: "still waits after “{}”",
    Trigger.SOURCE: "its source's last minute is unusual, up to “{}”",
}


def worst_units(worst: WorstUnits, threshold: float) -> str:
    """The section; threshold: evidence from which on a row is salient, nats."""
    return (
        "<h2>Worst misses</h2>"
        + _group(
            worst.misses, worst.all_misses, threshold,
            "labelled faulty and never alerted on, those that scored lowest first",
            "No unit that is labelled faulty went without an alert.",
        )
        + "<h2>Worst false alarms</h2>"
        + _group(
            worst.false_alarms, worst.all_false_alarms, threshold,
            "labelled normal and alerted on, those that scored highest first",
            "No unit that is labelled normal was alerted on.",
        )
    )  # fmt: skip


def _group(units: Sequence[UnitHistory], n: int, threshold: float, which: str, none: str) -> str:
    if not units:
        return f"<p>{none}</p>"
    count = f"All {n:,}" if n == len(units) else f"{len(units):,} of the {n:,}"
    legend = (
        "Line: the most evidence so far; dots: the rows that raised it, or the largest steps; "
        f"dashed: {threshold:.1f} nats, from which on a row goes to the circuit."
    )
    cards = "".join(_unit(unit, threshold) for unit in units)
    return f"<p><small>{count} {which}. {legend}</small></p>{cards}"


def _unit(unit: UnitHistory, threshold: float) -> str:
    verdict = "faulty, missed" if unit.is_faulty else "normal, false alarm"
    facts = [
        f"first row {rfc3339(unit.began)[:19].replace('T', ' ')} UTC",
        f"last after {_seconds(unit.last - unit.began)}",
        f"at most {unit.nats:.1f} nats",
    ]
    if unit.fault is not None:
        late = unit.fault - unit.began
        facts.append(f"fault {_seconds(abs(late))} {'after' if late >= 0 else 'before'} the first row")
    if unit.alert is not None:
        facts.append(f"first alert after {_seconds(unit.alert - unit.began)}")
    colour = "bad" if unit.is_faulty else "odd"
    return (
        f'<div class="unit"><b><code>{page_text(unit.name)}</code></b> <b class="{colour}">{verdict}</b><br>'
        f"<small>{', '.join(facts)}</small>"
        f"<div>{_picture(unit, threshold)}<div>{_list(unit)}</div></div></div>"
    )


def _seconds(value: float) -> str:
    whole = abs(value) >= 100 or value == int(value)
    return f"{value:,.0f} s" if whole and abs(value) < 1e12 else f"{value:.3g} s"


def _list(unit: UnitHistory) -> str:
    """What added evidence, row by row."""
    if not unit.points:
        return "<p><small>None of its rows showed anything unusual.</small></p>"
    rows = "".join(
        f'<tr><td class="n t">{_seconds(point.time - unit.began)}</td><td class="n">{point.nats:.1f}</td>'
        f"<td>{''.join(f'<div>{page_text(text, 420)}</div>' for text in _told(point))}</td></tr>"
        for point in unit.points
    )
    return f'<table><tr><th class="n">after</th><th class="n">nats</th><th>what</th></tr>{rows}</table>'


def _told(point: Point) -> list[str]:
    if point.reasons:
        return [reason.sentence() for reason in point.reasons]
    return [_OWN[point.trigger].format(point.template)]


def _picture(unit: UnitHistory, threshold: float) -> str:
    """Evidence over time: the most so far as a line, and the rows that raised it as dots."""
    fault, alert = (None if time is None else time - unit.began for time in (unit.fault, unit.alert))
    length = max([unit.last - unit.began, *(point.time - unit.began for point in unit.points)]) or 1.0
    first = fault if fault is not None and -length / 2 <= fault < 0.0 else 0.0
    top = max(1.1 * unit.nats, 1.5 * threshold, 1.0)

    def x(after: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * (after - first) / (length - first), 1)

    def y(nats: float) -> float:
        return round(_BOTTOM - (_BOTTOM - _TOP) * min(max(nats, 0.0), top) / top, 1)

    path, dots, height = f"{x(first)},{_BOTTOM}", "", float(_BOTTOM)
    for point in unit.points:
        at, below, height = x(point.time - unit.began), height, y(point.nats)
        path += f" {at},{below} {at},{height}"
        dots += f'<circle cx="{at}" cy="{height}" r="3" fill="{_LINE}"/>'
    path += f" {_RIGHT},{height}"
    moments = (("fault", fault, _FAULT, 11), ("alert", alert, _ALERT, 24))
    marks = "".join(
        _mark(x(after), name, colour, row)
        for name, after, colour, row in moments
        if after is not None and first <= after <= length
    )
    peak = _label(_LEFT - 4, y(unit.nats) + 4, f"{unit.nats:.1f}", "end") if unit.nats > top / 8 else ""
    return (
        f'<svg viewBox="0 0 {_RIGHT + 8} {_BOTTOM + 18}" font-size="11" role="img" '
        f'aria-label="evidence over {_seconds(length)}, at most {unit.nats:.1f} nats">'
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" height="{_BOTTOM - _TOP}" fill="#f6f8fa"/>'
        f'<polygon points="{path} {_RIGHT},{_BOTTOM}" fill="#dbe9ff"/>'
        f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y(threshold)}" y2="{y(threshold)}" stroke="{_GREY}" '
        f'stroke-dasharray="5 4"/>{marks}'
        f'<polyline points="{path}" fill="none" stroke="{_LINE}" stroke-width="2"/>{dots}'
        f"{peak}{_label(_LEFT - 4, _BOTTOM + 4, '0', 'end')}"
        f"{_label(x(0.0), _BOTTOM + 14, '0 s')}{_label(_RIGHT, _BOTTOM + 14, _seconds(length), 'end')}</svg>"
    )


def _mark(x: float, name: str, colour: str, y: int) -> str:
    """A moment: a line, and its name on the side where there is room."""
    side, anchor = (4, "start") if x < (_LEFT + _RIGHT) / 2 else (-4, "end")
    return (
        f'<line x1="{x}" x2="{x}" y1="{y - 9}" y2="{_BOTTOM}" stroke="{colour}" stroke-width="1.5"/>'
        f"{_label(x + side, y, name, anchor, colour)}"
    )


def _label(x: float, y: float, text: str, anchor: str = "start", colour: str = _GREY) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}">{page_text(text)}</text>'
