"""The alerts that notices make: they call nobody, and belong to no incident but their own."""

from __future__ import annotations

from typing import Any, Final

from schemas.alert import Alert, Scores, fingerprint
from schemas.notice import Notice

__all__ = ["Notices"]

MOST: Final = 1024  # clocks of a topic that are remembered as wrong, those told last


class Notices:
    """Whose clock was told to be wrong in one input topic, and in which alert."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}  # ids of alerts that fire, by source

    def observe(self, notice: Notice) -> list[Alert]:
        """The alert to publish, if there is something new to say."""
        if notice.state == "once":
            return [_alert(notice, notice.id, over=True)]
        if notice.state == "right":
            first = self._open.pop(notice.source, None)
            return [] if first is None else [_alert(notice, first, over=True)]
        first = self._open.pop(notice.source, notice.id)
        self._open[notice.source] = first
        if len(self._open) > MOST:
            del self._open[next(iter(self._open))]
        return [_alert(notice, first, over=False)]

    def snapshot(self) -> dict[str, str]:
        """As JSON types."""
        return dict(self._open)

    def resume(self, content: dict[str, Any]) -> None:
        """From a snapshot."""
        self._open = {str(source): str(first) for source, first in content.items()}


def _alert(notice: Notice, incident: str, over: bool) -> Alert:
    text = _text(notice)
    update = "resolved" if over else "opened" if incident == notice.id else "continues"
    return Alert(
        id=notice.id,
        incident=incident,
        fingerprint=fingerprint(notice.source, "clock", ""),
        status="resolved" if over else "firing",
        update=update,  # type: ignore[arg-type]  # one of those that there are
        page=False,
        urgency="info",
        time=notice.watermark,
        first_seen=notice.watermark,
        last_seen=notice.watermark,
        count=1,
        sources=[notice.source],
        source=notice.source,
        kind="clock",
        template="",
        example=text,
        p_value=1.0,
        scores=Scores(prefilter=1.0, twin=1.0, hybrid=1.0),
        bundle=notice.bundle,
        topic=notice.topic,
        partition=notice.partition,
        offset=notice.offset,
        labels={
            "alertname": "Qualm clock", "source": notice.source, "kind": "clock", "severity": "info",
        },
        annotations={"summary": text[:300], "description": text},
    )  # fmt: skip


def _text(notice: Notice) -> str:
    side = "ahead of" if notice.ahead > 0 else "behind"
    by = f"{abs(notice.ahead):,.0f} s {side} the other sources"
    if notice.state == "right":
        return f"The clock of {notice.source} goes with the other sources again."
    if notice.state == "once":
        return f"An event of {notice.source} is stamped {by}: it is used without its time."
    return f"The clock of {notice.source} is {by}: its times are set right by that much."
