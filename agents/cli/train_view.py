"""What `qualm train` ends with: what was learnt, in about ten lines."""

import shutil
from collections.abc import Iterator, Mapping
from textwrap import fill
from typing import Any, Final

import click

from agents.printable import printable
from models.false_alarms import FalseAlarms
from models.training.learnt import DAY, pace
from schemas.alert import rfc3339

_WIDEST: Final = 100
_INDENT: Final = 17
_TEXT: Final = 40  # letters of a template


def show(training: Mapping[str, Any], accepted: FalseAlarms) -> None:
    """For people."""
    width = min(_WIDEST, shutil.get_terminal_size((80, 24)).columns)
    span = duration(training["to"] - training["from"])
    begin, end = (rfc3339(training[name])[:16].replace("T", " ") for name in ("from", "to"))
    click.secho(f"Learnt from {training['events']:,} events of {span}", bold=True)
    for name, text in (("from", f"{begin} to {end} UTC"), *_rows(training, accepted, span)):
        line = f"  {name:<{_INDENT - 2}}{printable(text, 1_000)}"
        click.echo(fill(line, width, subsequent_indent=" " * _INDENT, break_on_hyphens=False))


def _rows(training: Mapping[str, Any], accepted: FalseAlarms, span: str) -> Iterator[tuple[str, str]]:
    busiest, share = training["busiest"]
    yield "sources", f"{training['sources']:,}; the busiest is {busiest}, with {share:.0%} of the events"
    yield "entities", _entities(training)
    if "entity" in training:
        yield "", f"{training['entity']}; --entity-field or --entity-pattern names another"
    yield "templates", f"{training['templates']:,}"
    yield "usual", ", ".join(f"“{text[:_TEXT]}” {share:.0%}" for text, share in training["common"])
    yield "errors", f"{training['errors']:.2%} of the events are ERROR or worse"
    units, share = training["units"], float(accepted.shares(pace(training))[0])
    came = f"{units['entity']:,} entities and {units['source']:,} minutes of sources came in {span}"
    yield (
        "false alarms",
        f"{accepted} accepted: one unit in {_rounded(1.0 / share)} may alert, as {came}",
    )
    for of, fit in training.get("tail", {}).items():
        yield f"tail, {of}", tail_sentence(fit)
    failed, records = training["not_understood"], training["records"]
    yield "not understood", f"{failed:,} of {records:,} records" if failed else "nothing"


def _entities(training: Mapping[str, Any]) -> str:
    if not training["entities"]:
        return "none: sources are judged by the minute, not single requests"
    events, seconds = training["entity_events"], duration(training["entity_seconds"])
    often = f"{training['entities']:,}, in {training['with_entity']:.0%} of the events"
    return f"{often}; the median one has {events:,.3g} events in {seconds}"


def tail_sentence(fit: Mapping[str, Any]) -> str:
    """Whether p-values beyond the rarest units of training can be believed."""
    if fit["fits"] is None:
        return f"too few of {fit['units']:,} units of the calibration part are in the tail to check its fit"
    said = (
        f"{fit['exceedances']:,} of {fit['units']:,} units of the calibration part are in the tail, "
        f"{fit['expected']:,.0f} expected, {fit['excess'] or 0.0:.2f} slopes deep on average, 1 expected"
    )
    if fit["fits"]:
        return f"{said}: it fits (p {fit['p_value']:.2g})"
    if fit["too_light"]:
        return (
            f"{said}: it does not fit (p {fit['p_value']:.2g}), units go further than it says. There may be "
            "more false alarms than asked for, or faults in these logs that nobody reported"
        )
    return f"{said}: it is heavier than these units (p {fit['p_value']:.2g}), so there may be fewer alarms"


def duration(seconds: float) -> str:
    """In the unit that fits."""
    for unit, size in (("days", DAY), ("hours", 3_600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.3g} s"


def _rounded(number: float) -> str:
    """Two digits: it is an estimate."""
    return f"{number:.2g}" if number < 100 else f"{float(f'{number:.2g}'):,.0f}"
