"""Compile the inner loops once, after installation, so that no worker waits for it."""

from models.context import Context
from models.templates import TemplateMiner
from schemas.events import EventBatch


def warm_up() -> None:
    """Run one event through the compiled loops; numba keeps the machine code beside the sources."""
    event = (0.0, 9, "source", "entity", "message 1", {"n": 1.0}, 0, 0)
    Context(TemplateMiner(), 60.0).update(EventBatch.of([event]))


if __name__ == "__main__":
    warm_up()
