"""Names that are seen in several partitions of a topic."""

from __future__ import annotations

from agents.torn import MOST, Torn, finding
from schemas.events import UNKNOWN_SOURCE, EventBatch


def events(names: list[tuple[str, str]]) -> EventBatch:
    """Of sources and entities."""
    return EventBatch.of(
        [(0.0, 9, source, entity, "m", None, n, 0, "") for n, (source, entity) in enumerate(names)]
    )


def test_entities_and_sources_in_several_partitions_are_counted_once() -> None:
    torn = Torn()
    torn.see(0, events([("a", "x"), ("a", "y"), ("b", ""), (UNKNOWN_SOURCE, "z")]))
    torn.see(0, events([("a", "x")]))
    torn.see(1, events([("a", "x"), ("c", "v"), (UNKNOWN_SOURCE, "")]))
    torn.see(2, events([("a", "x")]))
    torn.see(0, events([("a", "x")]))
    assert (torn.entities.torn, len(torn.entities)) == (1, 4)
    assert (torn.sources.torn, len(torn.sources)) == (1, 3)
    assert finding(torn) == ("entity", 1, 4)


def test_a_topic_that_is_keyed_by_entity_is_none_to_speak_of_though_its_sources_are_everywhere() -> None:
    torn = Torn()
    for partition in range(4):
        torn.see(partition, events([("a", f"e{partition}"), ("b", f"f{partition}")]))
    assert torn.sources.torn == 2
    assert finding(torn) is None


def test_of_a_topic_without_entities_sources_are_spoken_of() -> None:
    torn = Torn()
    assert finding(torn) is None
    for partition in range(2):
        torn.see(partition, events([("a", ""), (f"b{partition}", "")]))
    assert finding(torn) == ("source", 1, 3)


def test_a_stray_name_is_none_to_speak_of() -> None:
    torn = Torn()
    torn.see(0, events([("", f"e{n}") for n in range(99)]))
    torn.see(1, events([("", "e0")]))
    assert finding(torn) is None


def test_names_are_forgotten_so_that_no_topic_can_fill_the_memory() -> None:
    torn = Torn()
    for partition in range(2):
        torn.see(partition, events([("", f"e{n}") for n in range(10)]))
    assert torn.entities.torn == 10
    torn.see(0, events([("", f"f{n}") for n in range(MOST)]))
    assert (torn.entities.torn, len(torn.entities)) == (0, MOST)
