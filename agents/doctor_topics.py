"""What `qualm doctor` finds out about the broker and the topics: are they there, and what do they hold."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from agents import torn
from agents.breaker import MOST_DEAD
from agents.check import Check
from agents.kafka import admin as broker
from agents.kafka.latest import latest
from agents.kafka.rights import group_may_be_read, missing_rights, needed_rights
from agents.records import RecordBatch
from agents.settings import Settings, SettingsError
from models.bundle import Bundle
from schemas.events import UNKNOWN_SOURCE, EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.watermark import decode_salient

__all__ = ["broker_and_topics"]

LATEST = 100  # records of each partition that are looked at
CONNECT_SECONDS = 5.0
UNDECIDED = "not decided yet, text so far"
SKEW_SECONDS = 300.0  # between an event and its record, or a record and this machine's clock
Wait = Callable[[str], None]


def broker_and_topics(settings: Settings, bundle: Bundle | None, wait: Wait) -> Iterator[Check]:
    """One check after the other, as they come; wait gets what is waited for, and how long at most."""
    addresses = ", ".join(settings.broker)
    wait(f"broker {addresses}: waiting up to {CONNECT_SECONDS:.0f} s for an answer")
    try:
        present = asyncio.run(broker.partitions(settings, CONNECT_SECONDS))
    except SettingsError as error:
        yield Check("fail", "broker", str(error), "Correct the settings named.")
        return
    except broker.BrokerRefusedError as error:
        yield Check("fail", "broker", str(error), "Correct the settings named; a worker does not start.")
        return
    except broker.BrokerError as error:
        yield Check("fail", "broker", str(error), "Start it, or set `broker` to where it is.")
        return
    yield Check("ok", "broker", f"{addresses} answers; it has {len(present)} topics")
    missing = missing_rights(settings, needed_rights(settings), CONNECT_SECONDS)
    if settings.role != "evaluate":
        for name in settings.topics:
            if name in missing:
                yield _not_allowed(name, present, missing[name])
            else:
                yield from _input_topic(settings, bundle, name, present, wait)
    yield from _own_topics(settings, present, missing)
    if not group_may_be_read(settings, CONNECT_SECONDS):
        text = f"this user may not read group {settings.group}"
        yield Check("fail", "group", text, "Grant this user read on the group.")
    if bundle is not None and settings.salient_topic in present and settings.role != "triage":
        yield from _salient_topic(settings, bundle, present[settings.salient_topic])


def _own_topics(
    settings: Settings, present: dict[str, int], missing: dict[str, list[str]]
) -> Iterator[Check]:
    """The topics that a worker writes to: whether they are there, and whether it may do what it has to."""
    for topic in broker.own_topics(settings):
        name = topic.name
        if name in missing:
            yield _not_allowed(name, present, missing[name])
        elif name not in present:
            yield _absent(settings, topic)
        else:
            yield Check("ok", f"topic {name}", f"{present[name]} partitions")


def _not_allowed(name: str, present: dict[str, int], missing: Sequence[str]) -> Check:
    rights = " and ".join(missing)
    seen = f"{present[name]} partitions" if name in present else "it may be there"
    text = f"{seen}, but this user may not {rights}"
    return Check("fail", f"topic {name}", text, f"Grant this user {rights} on the topic.")


def _absent(settings: Settings, topic: broker.Topic) -> Check:
    """A topic that a worker would create: whether it may, by a request that only asks."""
    try:
        reason = asyncio.run(broker.would_refuse(settings, topic))
    except broker.BrokerError as error:
        reason = str(error)
    if not reason:
        return Check("ok", f"topic {topic.name}", "does not exist yet; a worker creates it")
    text = f"does not exist, and the broker would not create it: {reason}"
    advice = "Create it by hand, correct `topic_replication`, or grant this user create."
    return Check("warn", f"topic {topic.name}", text, advice)


def _input_topic(
    settings: Settings, bundle: Bundle | None, name: str, present: dict[str, int], wait: Wait
) -> Iterator[Check]:
    if name not in present:
        advice = "Create it, or set `topics` to those with your logs; a worker finds it when it appears."
        text = f"does not exist, and is not created by asking{broker.similar(name, present)}"
        yield Check("warn", f"topic {name}", text, advice)
        return
    wait(f"topic {name}: reading its latest records, up to {broker.REQUEST_SECONDS:.0f} s")
    try:
        batches = asyncio.run(latest(settings, name, present[name], LATEST))
    except broker.BrokerError as error:
        yield Check("fail", f"topic {name}", str(error), "Grant this user read and describe on the topic.")
        return
    yield Check("ok", f"topic {name}", f"{present[name]} partitions")
    if not batches:
        advice = "Nothing to do if nothing was written yet; else see that producers write to this topic."
        yield Check("warn", f"records of {name}", "there are none", advice)
        return
    trained = bundle.manifest.read_options() if bundle else None
    decoders = [TopicDecoder(settings.read_options(name, trained)) for _ in batches]
    yield from _records(settings, name, batches, decoders)


def _records(
    settings: Settings, name: str, batches: Sequence[RecordBatch], decoders: Sequence[TopicDecoder]
) -> Iterator[Check]:
    """How the latest records are understood, by the decoders of a worker."""
    found = [batch.decode(decoder) for batch, decoder in zip(batches, decoders, strict=True)]
    records = sum(map(len, batches))
    failures = [why for decoded in found for _, why in decoded.failures]
    formats = ", ".join(sorted({decoder.format for decoder in decoders})).replace("auto", UNDECIDED)
    text = f"{records} latest: format {formats}"
    if failures:
        why, _ = Counter(failures).most_common(1)[0]
        text += f"; {len(failures)} become dead letters, most often: {why[:160]}"
        advice = "Set `format`, `line` or `[read.TOPIC]` to what the records are."
        yield Check(
            "fail" if len(failures) > MOST_DEAD * records else "warn", f"records of {name}", text, advice
        )
    else:
        yield Check("ok", f"records of {name}", text)
    events = [decoded.events for decoded in found]
    if any(map(len, events)):
        yield from _fields(name, events)
        yield from _clocks(name, batches, events)
        yield from _torn(settings, name, batches, events)


def _fields(name: str, events: Sequence[EventBatch]) -> Iterator[Check]:
    n = sum(map(len, events))
    no_source = sum(each.source.count(UNKNOWN_SOURCE) for each in events)
    no_entity = sum(each.entity.count("") for each in events)
    if no_source == n:
        text = f"none of {n} events has one: all count as one, `{UNKNOWN_SOURCE}`"
        yield Check("warn", f"source in {name}", text, "Set `source_field`, or `line` with <logger>.")
    if no_entity == n:
        text = f"none of {n} events has one: only sources over a minute are judged"
        yield Check("warn", f"entity in {name}", text, "Set `entity_field` or `entity_pattern`.")


def _clocks(name: str, batches: Sequence[RecordBatch], events: Sequence[EventBatch]) -> Iterator[Check]:
    """Clocks of producers against those of their records, and these against the clock here."""
    stamps = [stamp for batch in batches for stamp in batch.timestamps if stamp == stamp]
    ahead = max(stamps, default=0.0) - time.time()
    if ahead > SKEW_SECONDS:
        text = f"the latest record is stamped {ahead:,.0f} s after this machine's clock"
        yield Check(
            "warn", f"clock of {name}", text, "Set the clocks of producers, brokers and this machine."
        )
    late: list[float] = []
    for batch, each in zip(batches, events, strict=True):
        stamp_of = dict(zip(batch.offsets, batch.timestamps, strict=True))
        pairs = ((moment, stamp_of[offset]) for moment, offset in zip(each.time, each.offset, strict=True))
        late += sorted(moment - stamp for moment, stamp in pairs if moment == moment and stamp == stamp)
    if late and (odd := sorted(late, key=abs)[len(late) // 2]) and abs(odd) > SKEW_SECONDS:
        side = "after" if odd > 0 else "before"
        text = f"half of the events are {abs(odd):,.0f} s or more {side} their records"
        advice = "Nothing to do for old logs written anew; else check the producers' clocks and time zones."
        yield Check("warn", f"event time in {name}", text, advice)


def _torn(
    settings: Settings, name: str, batches: Sequence[RecordBatch], events: Sequence[EventBatch]
) -> Iterator[Check]:
    """Whether all records of an entity, or of a source where there is none, are in one partition."""
    seen = torn.Torn()
    for batch, each in zip(batches, events, strict=True):
        seen.see(batch.partition, each)
    found = torn.finding(seen)
    if found is None:
        return
    text = f"{found.torn} of {found.seen} sampled are seen in several partitions"
    if settings.keyed:
        yield Check("ok", f"{found.kinds} of {name}", f"{text}; keyed anew by {settings.key_by}")
    else:
        advice = f'Set `key_by = "{found.kind}"`, or let producers use the {found.kind} as the record\'s key.'
        yield Check("warn", f"{found.kinds} of {name}", f"{text}: their history is torn", advice)


def _salient_topic(settings: Settings, bundle: Bundle, partitions: int) -> Iterator[Check]:
    """Whether triage runs the bundle that evaluate would."""
    name = settings.salient_topic
    try:
        batches = asyncio.run(latest(settings, name, partitions, 1))
    except broker.BrokerError as error:
        yield Check("fail", f"topic {name}", str(error), "Grant this user read and describe on the topic.")
        return
    others = set()
    for batch in batches:
        try:
            others.add(decode_salient(batch.values[-1] or b"").bundle)
        except ValueError as error:
            advice = "Let nothing but qualm write to it, or set `salient_topic` to another."
            yield Check("warn", f"records of {name}", f"the latest cannot be read: {error}", advice)
    if others - {bundle.digest}:
        text = (
            f"the latest are of bundle {min(others - {bundle.digest})[:16]}, this one is {bundle.digest[:16]}"
        )
        advice = "Run triage and evaluate with one bundle; evaluate refuses events of another."
        yield Check("warn", f"bundle of {name}", text, advice)
