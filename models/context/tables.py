"""What one input partition remembers: tables of fixed size, and how a key finds its slot.

Every table is set-associative: a key lives in one bucket of WAYS slots and a new key takes the place of the
least recently used one, so memory is bounded by construction and every access is O(1). Keys are 64-bit
hashes, 0 is an empty slot. Sizes are in models/context/context.py.
"""

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.jit import jit_in_place

WAYS: Final = 8
NAME_BYTES: Final = 64  # of an entity's name, kept for events that time alone brings
TEMPLATE_WORDS: Final = 12  # of a template, as many as the miner finds
AGE_BINS: Final = 32  # of the ages at which units show something; models/context/reference.py
DUE_TIMES: Final = 3  # occurrences of a template in a unit that each have a deadline
DUE_ITEMS: Final = 512  # deadlines of a kind of units
EVIDENCE: Final = 6  # kinds of evidence of a unit, after which stands what its highest row says
SOURCE_EVIDENCE: Final = 2  # kinds of evidence of a source over a minute, and its highest row, likewise
MINUTES: Final = 64  # of a source, whose evidence says what is usual
POOL: Final = 512  # minutes of any source, likewise
DAY_HOURS, WEEK_HOURS = 24, 168  # seasons; models/context/seasons.py
RECENT_UNITS: Final = 512  # of a kind, whose evidence says what is usual
REASONS: Final = 4  # what adds most to a unit's evidence, kept to be told
GONE: Final = np.uint64(2)  # key of a slot given up; hashes are odd

# What a hash is a hash of, so that one table holds many kinds of context.
(
    TAG_SOURCE, TAG_WORD, TAG_ENTITY_NEXT, TAG_SOURCE_NEXT, TAG_SEVERITY, TAG_GAP, TAG_PATH, TAG_NUMBER,
    TAG_VALUE,
) = (np.uint64(0xA0761D6478BD642F + 2 * i) for i in range(9))  # fmt: skip
TAG_ALL: Final = np.uint64(0xE7037ED1A0B428DB)
TAG_DURATION: Final = np.uint64(0x8EBC6AF09C88C6E3)
TAG_RATE: Final = np.uint64(0x1D8E4E27C47D124F)
TAG_KIND: Final = np.uint64(0x589965CC75374CC3)
TAG_END: Final = np.uint64(0xA24BAED4963EE407)
TAG_PAIR: Final = np.uint64(0xD6E8FEB86659FD93)
TAG_FAULT: Final = np.uint64(0xE0B34AA1C56D0F27)
TAG_SUSPECT: Final = np.uint64(0xC2B2AE3D27D4EB4F)

Records: TypeAlias = Any  # structured arrays and their records, whose fields no type checker sees

_SLOT = [("key", "u8"), ("used", "i8")]  # used: access number of the last use
# item in context -> number of times
COUNT: Final = np.dtype([*_SLOT, ("n", "f8")])
# context -> observations n with d distinct items, or n with their running mean and absolute deviation
MOMENT: Final = np.dtype(
    [*_SLOT, ("n", "f8"), ("d", "f8"), ("mean", "f8"), ("deviation", "f8"), ("recent", "f8")]
)
TEMPLATE: Final = np.dtype([
    *_SLOT, ("first_seen", "f8"), ("occurrences", "f8"), ("ends", "f8"),
    ("words", "u8", (TEMPLATE_WORDS,)),
])  # fmt: skip
# since: when it was first seen; last: of its last event, later by as long as nobody spoke since; gaps: sum
# of those between its events (s); silent: gap at which its silence is told next, 0 while there is none;
# pause: the longest beyond usual gaps, up to `paused`, usual_pause: the longest but one; renewed: evidence
# of what was seen in this minute; errors: how surprising those of the last minute are in themselves, erred:
# the minute of the last one; shown: evidence when it was shown last, in the minute `told`; weighed: up to
# when evidence has faded; minute: the one that peak is of; counted: the last one that was a unit; held:
# peaks of the one before, if holds, which the next one has yet to confirm; suspected: since when; recent:
# the peaks of the last minutes, of `lines` of which the highest row is known; week: longest usual gap by hour
# of the week, s, and the longest that was seen once, up to the hour week_hour
SOURCE: Final = np.dtype([
    *_SLOT, ("previous", "u8"), ("events", "f8"), ("since", "f8"), ("last", "f8"), ("spoke", "f8"),
    ("gaps", "f8"), ("longest_gap", "f8"), ("silent", "f8"), ("pause", "f8"), ("usual_pause", "f8"),
    ("paused", "f8"),
    ("evidence", "f8", (SOURCE_EVIDENCE,)), ("renewed", "f8", (SOURCE_EVIDENCE,)), ("errors", "f8"),
    ("erred", "f8"), ("shown", "f8"), ("told", "f8"), ("weighed", "f8"), ("minute", "f8"), ("counted", "f8"),
    ("peak", "f8", (SOURCE_EVIDENCE + 1,)), ("held", "f8", (SOURCE_EVIDENCE + 1,)), ("holds", "i8"),
    ("suspected", "f8"), ("minutes", "i8"), ("lines", "i8"),
    ("recent", "f4", (MINUTES, SOURCE_EVIDENCE + 1)), ("centre", "f8", (SOURCE_EVIDENCE + 1,)),
    ("spread", "f8", (SOURCE_EVIDENCE + 1,)),
    ("week_hour", "f8"), ("week", "u2", (WEEK_HOURS,)), ("week_once", "u2", (WEEK_HOURS,)),
])  # fmt: skip
# what events of a source are -> how many there were, fading over a minute; how many of those were taught, and
# of all that were, fading over an hour; and what that adds to the evidence of the source; top: the highest
# over a minute in this hour, by_hour: the highest usual one by hour of the day, once: that was seen once
RATE: Final = np.dtype([
    *_SLOT, ("short", "f8"), ("taught", "f8"), ("long", "f8"), ("time", "f8"), ("since", "f8"),
    ("nats", "f8"),
    ("hour", "f8"), ("top", "f8"), ("by_hour", "f4", (DAY_HOURS,)), ("once", "f4", (DAY_HOURS,)),
])  # fmt: skip
# something that units of a kind show -> in how many; of templates also how many did by their first end, at
# which ages; unit: serial number of the last one counted; apart: how many were counted apart, since when, and
# how many units of the kind had ended then
SHARE: Final = np.dtype([
    *_SLOT, ("kind", "u8"), ("template", "u8"), ("times", "i8"), ("unit", "i8"), ("n", "f8"), ("early", "f8"),
    ("apart", "f8"), ("since", "f8"), ("ended", "f8"), ("ages", "u2", (AGE_BINS,)),
])  # fmt: skip
# kind of units -> since when it is known, how many have ended and how many of those were learnt; how many
# different errors they have shown; whether that is settled; the longest pauses of its units, and what is
# longer than nearly all of them; its deadlines in the order of ages, made of `built` units, and of each how
# many units in a row have lacked it, since when; how many units were judged, the evidence of the last ones,
# what that says is usual, whether that is certain
KIND: Final = np.dtype([
    *_SLOT, ("since", "f8"), ("ended", "f8"), ("units", "f8"), ("errors", "f8"), ("settled", "i8"),
    ("built", "f8"),
    ("due", "i8"),
    ("gaps", "u2", (AGE_BINS,)), ("quiet", "f8"), ("due_template", "u8", (DUE_ITEMS,)),
    ("due_times", "i8", (DUE_ITEMS,)), ("due_age", "f8", (DUE_ITEMS,)), ("due_step", "f8", (DUE_ITEMS,)),
    ("due_lacking", "f8", (DUE_ITEMS,)), ("due_apart", "f8", (DUE_ITEMS,)), ("due_since", "f8", (DUE_ITEMS,)),
    ("judged", "i8"), ("certain", "i8"), ("recent", "f4", (RECENT_UNITS, EVIDENCE + 1)),
    ("centre", "f8", (EVIDENCE + 1,)), ("spread", "f8", (EVIDENCE + 1,)),
])  # fmt: skip
# suspected: whether it has counted in its source as one under suspicion. Links between nodes, and from an
# entity to its nodes, are indices of nodes; 0 is none.
ENTITY: Final = np.dtype([
    *_SLOT, ("first", "f8"), ("last", "f8"), ("episode", "i4"), ("waiting", "i4"), ("severity", "i4"),
    ("first_template", "u8"), ("previous", "u8"), ("source", "u8"), ("path", "u8"),
    ("serial", "i8"), ("kind", "u8"), ("judged", "i4"), ("faulty", "i4"), ("faults", "f8"),
    ("nodes", "i4"), ("items", "i4"), ("lossy", "i4"), ("suspected", "i4"),
    ("evidence", "f8", (EVIDENCE + 1,)), ("shown", "f8"),
    ("due", "f8"), ("timer", "i4"), ("checked", "f8"), ("step", "f8"), ("step_nats", "f8"), ("steps", "f8"),
    ("longest", "f8"), ("quiet_at", "f8"), ("looked", "f8"),
    ("why_kind", "i8", (REASONS,)), ("why_template", "u8", (REASONS,)), ("why_nats", "f8", (REASONS,)),
    ("why_share", "f8", (REASONS,)), ("why_age", "f8", (REASONS,)),
    ("name", "u1", (NAME_BYTES,)),
])  # fmt: skip
# one reason for a unit's evidence: its kind and template, nats, share of the units that show it, and age (s)
# of the unit, or its deadline
REASON: Final = np.dtype([
    ("kind", "i8"), ("template", "u8"), ("nats", "f8"), ("share", "f8"), ("age", "f8"),
])  # fmt: skip
# what a unit has shown: a template so many times, the first ones at these ages (s), a word (times 0), or an
# error (times -1)
NODE: Final = np.dtype([
    ("item", "u8"), ("unit", "i4"), ("in_bucket", "i4"), ("in_unit", "i4"), ("times", "i4"), ("learnt", "i4"),
    ("ages", "f4", (DUE_TIMES,)),
])  # fmt: skip
# doubted: serial number of the first unit since times are doubted, 0 for not;
# resumed: when this stream began, where training was before; recent: units that began, seconds that passed
# and events that came, fading over a week; pool: the peaks of the last minutes of all sources, `pooled` of
# them so far, with what they say is usual
CLOCK: Final = np.dtype([
    ("watermark", "f8"), ("start", "f8"), ("rates_since", "f8"), ("resumed", "f8"), ("doubted", "i8"),
    ("accesses", "i8"), ("tick", "f8"), ("silence_due", "f8"), ("units", "i8"), ("free_node", "i8"),
    ("next_node", "i8"), ("next_end", "i8"), ("timers", "i8"), ("forgotten", "i8"), ("speakers", "i8"),
    ("recent_units", "f8"), ("recent_seconds", "f8"), ("recent_events", "f8"),
    ("pooled", "i8"), ("pool", "f4", (POOL, SOURCE_EVIDENCE)),
    ("pool_spread", "f8", (SOURCE_EVIDENCE,)),
])  # fmt: skip


class State(NamedTuple):
    """All that one input partition remembers. Times in event-time seconds. Tables are structured arrays."""

    counts: Records
    moments: Records
    templates: Records
    sources: Records
    speakers: NDArray[np.int32]  # (sources,) the slots in use, ascending; clock.speakers of them
    rates: Records
    shares: Records
    share_kinds: NDArray[
        np.uint64
    ]  # (shares,) the kind of each, in one place, as all are looked through at times
    kinds: Records
    entities: Records
    # (entities + 1,) all entities as a ring, those first that were quiet longest; the last slot is its head
    older: NDArray[np.int32]
    newer: NDArray[np.int32]
    # (entities + 1,) heap of the entities with a deadline to come, from 1 on
    timers: NDArray[np.int32]
    nodes: Records
    buckets: NDArray[np.int32]  # first node of each bucket, a power of two of them
    clock: Records  # (1,)


@jit_in_place
def mix(a: np.uint64, b: np.uint64) -> np.uint64:
    """Hash of two hashes, never 0."""
    h = (a ^ (b + np.uint64(0x9E3779B97F4A7C15) + (a << np.uint64(6)) + (a >> np.uint64(2)))) * np.uint64(
        0xFF51AFD7ED558CCD
    )
    h = h ^ (h >> np.uint64(32))
    return h | np.uint64(1)


@jit_in_place
def slot_of(table: Records, key: np.uint64, clock: Records) -> tuple[int, bool]:
    """Slot of key and whether it is new there; then the caller clears the rest of the record."""
    clock.accesses += 1
    base = int((key >> np.uint64(7)) & np.uint64(len(table) // WAYS - 1)) * WAYS
    oldest = base
    for slot in range(base, base + WAYS):
        if table[slot].key == key:
            table[slot].used = clock.accesses
            return slot, False
        if table[slot].key == 0:
            oldest = slot
            break
        if table[slot].used < table[oldest].used:
            oldest = slot
    table[oldest].key = key
    table[oldest].used = clock.accesses
    return oldest, True


@jit_in_place
def known_slot(table: Records, key: np.uint64, clock: Records) -> int:
    """Slot of key, -1 where the table does not hold it."""
    base = int((key >> np.uint64(7)) & np.uint64(len(table) // WAYS - 1)) * WAYS
    for slot in range(base, base + WAYS):
        if table[slot].key == key:
            clock.accesses += 1
            table[slot].used = clock.accesses
            return slot
        if table[slot].key == 0:
            break
    return -1
