"""Lines of container logs as the kubelet's runtimes write them: ``<time> <stream> <F or P> <content>``.

A long line comes in parts: all but the last have the tag P. Source:
https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md.
"""

from __future__ import annotations

from schemas.events import MAX_MESSAGE_CHARS

__all__ = ["MAX_UNFINISHED", "STREAMS", "Parts", "content"]

STREAMS = frozenset(("stdout", "stderr"))
MAX_UNFINISHED = 64
"""Most lines whose end has yet to come; beyond them the oldest is given up."""


def content(line: str) -> tuple[str, bool, str] | None:
    """Stream, whether more parts follow, and content of a line; None where its tag is none."""
    fields = line.split(" ", 3)
    if len(fields) < 3 or fields[1] not in STREAMS:
        return None
    tag = fields[2].partition(":")[0]
    if tag not in ("F", "P"):
        return None
    return fields[1], tag == "P", fields[3] if len(fields) > 3 else ""


class Parts:
    """Joins the parts of lines, by whose they are; bounded, at most 65,536 characters of each."""

    def __init__(self) -> None:
        self.unfinished: dict[str, str] = {}
        """What has come of a line so far, by owner, oldest first: all that later results depend on."""

    def join(self, owner: str, more: bool, text: str) -> str | None:
        """The whole line with its last part, None with every other part."""
        whole = (self.unfinished.pop(owner, "") + text)[:MAX_MESSAGE_CHARS]
        if not more:
            return whole
        if len(self.unfinished) >= MAX_UNFINISHED:
            del self.unfinished[next(iter(self.unfinished))]
        self.unfinished[owner] = whole
        return None
