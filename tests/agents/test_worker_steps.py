"""The worker's agents without a broker: only Faust's producer and its idle consumer are replaced.

Batches go through the agents' own functions, as Faust's streams would bring them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from faust.types import TP

from agents import metrics
from agents.demo.simulation import simulate
from agents.kafka.ledger import Ledger
from agents.kafka.publisher import Publisher
from agents.records import RecordBatch
from agents.settings import load_settings
from agents.worker import Worker
from models.bundle import Bundle
from schemas.alert import Alert
from schemas.formats.options import ReadOptions
from schemas.keyed import decode_keyed
from schemas.salient import SalientEvent
from schemas.watermark import SalientMessage, Watermark, decode_salient
from tests.agents.kafka.simulated_broker import Plan, Sent, SimulatedBroker, Tasks, Verdict
from tests.troubleshooting import says

LATE = Plan(late=True)
T = TypeVar("T")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.default()


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    """Some thousand log records with incidents in them."""
    return [event.encode() for event in simulate(seed=3, duration=240.0, rate=20.0, incidents="demo")]


class NoConsumer:
    """Faust's consumer before it has fetched anything, unless a test says how far partitions reach."""

    def __init__(self) -> None:
        self.ends: dict[TP, int] = {}
        self.positions: dict[TP, int] = {}

    def highwater(self, tp: TP) -> int | None:
        """How far a partition reaches, None where that is not known."""
        return self.ends.get(tp)

    async def position(self, tp: TP) -> int | None:
        """The next offset to fetch."""
        return self.positions.get(tp)

    def topic_partitions(self, topic: str) -> int:
        """As the broker has told."""
        return 4 if topic == "wide" else 1


class Bench:
    """A worker at work on what a test hands to its agents."""

    def __init__(self, bundle: Bundle, **options: object) -> None:
        self.broker = SimulatedBroker()
        self.tasks = Tasks(self.broker)
        self.worker = Worker(load_settings(**{"topics": "logs", "state": "none"} | options), bundle)
        self.consumer = self.worker.app.consumer = NoConsumer()
        self.worker.publisher = Publisher(self.broker, first_wait=0, last_wait=0)
        self.ledger: Ledger[TP] = Ledger()
        self.read: dict[int, int] = {}  # salient events so far, by partition

    def batch(self, topic: str, partition: int, first: int, values: Iterable[bytes]) -> RecordBatch:
        """Records with consecutive offsets from ``first`` on, in the ledger."""
        values = list(values)
        offsets = list(range(first, first + len(values)))
        times, empty = [float("nan")] * len(values), [None] * len(values)
        batch = RecordBatch(topic, partition, offsets, list(values), times, list(empty), [[] for _ in values])
        batch.confirm = self.ledger.hand_out(TP(topic, partition), offsets[-1])
        return batch

    def key(self, *batches: RecordBatch) -> None:
        self._run("qualm.key", batches)

    def triage(self, *batches: RecordBatch) -> None:
        self._run("qualm.triage", batches)

    def evaluate(self, *batches: RecordBatch) -> None:
        self._run("qualm.evaluate", batches)

    def group(self, *batches: RecordBatch) -> None:
        self._run("qualm.incidents", batches)

    def judge(self, values: Iterable[bytes], partition: int = 0) -> None:
        """Salient events through evaluate and incidents."""
        first = self.read.get(partition, 0)
        batch = self.batch("qualm.salient", partition, first, values)
        self.read[partition] = first + len(batch)
        told = len(self.stored("qualm.suspicious"))
        self.evaluate(batch)
        found = [sent.value for sent in self.stored("qualm.suspicious")[told:]]
        if found:
            self.group(self.batch("qualm.suspicious", 0, told, found))

    def _run(self, agent: str, batches: Iterable[RecordBatch]) -> None:
        async def stream() -> AsyncIterator[RecordBatch]:
            for batch in batches:
                yield batch

        self.tasks.start(self.worker.app.agents[agent].fun(stream()))

    def assigned(self, *partitions: TP) -> None:
        """A rebalance ends with these partitions here."""
        self.tasks.start(self.worker.app.on_partitions_assigned.send(set(partitions)))

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of work that needs other threads."""
        return self.tasks.wait(work)

    def position(self, topic: str, partition: int = 0) -> int | None:
        """What would be committed now."""
        return self.ledger.take(TP(topic, partition))

    def stored(self, topic: str) -> list[Sent]:
        return [sent for sent in self.broker.stored if sent.topic == topic]

    def alerts(self) -> list[Alert]:
        return [Alert.decode(sent.value) for sent in self.stored("qualm.alerts")]

    def dead_offsets(self, topic: str = "logs.dlq") -> list[int]:
        return [int(dict(sent.headers)["qualm.error.offset"]) for sent in self.stored(topic)]


@pytest.fixture
def benches() -> Iterator[list[Bench]]:
    made: list[Bench] = []
    yield made
    for bench in made:
        bench.tasks.close()


@pytest.fixture
def triage(bundle: Bundle, benches: list[Bench]) -> Bench:
    """A worker that only triages."""
    benches.append(Bench(bundle, role="triage"))
    return benches[-1]


@pytest.fixture
def evaluate(bundle: Bundle, benches: list[Bench]) -> Bench:
    """A worker that only evaluates, and finds nearly everything suspicious."""
    benches.append(Bench(bundle, role="evaluate", false_alarms="0.9999/unit"))
    return benches[-1]


@pytest.fixture(scope="module")
def salient(bundle: Bundle, lines: list[bytes]) -> list[SalientMessage]:
    """What triage sends to evaluate for the lines."""
    bench = Bench(bundle, role="triage")
    bench.triage(bench.batch("logs", 0, 0, lines))
    bench.tasks.close()
    found = [decode_salient(sent.value) for sent in bench.stored("qualm.salient")]
    assert sum(isinstance(each, SalientEvent) and each.trigger == "event" for each in found) > 3
    return found


def suspicious(salient: list[SalientMessage]) -> SalientEvent:
    return next(each for each in salient if isinstance(each, SalientEvent) and each.trigger == "event")


def copies(event: SalientEvent, numbers: Iterable[int], **changes: Any) -> list[bytes]:
    """The same event under other ids."""
    return [event.model_copy(update={"id": f"{n:032x}", **changes}).encode() for n in numbers]


def bad(count: int, first: int = 0) -> list[bytes]:
    """Records that nobody can read."""
    return [b"{]%d" % number for number in range(first, first + count)]


def check_that_the_last_answer_commits(bench: Bench, topic: str, size: int) -> int:
    """Let late answers in, the newest first, until there are none; returns how many there were."""
    return check_that_the_last_answer_commits_of(bench, topic, 0, size)


def check_that_the_last_answer_commits_of(bench: Bench, topic: str, partition: int, size: int) -> int:
    count = 0
    while late := bench.broker.late:
        assert bench.position(topic, partition) is None, "committed before everything is acknowledged"
        bench.broker.answer_late(late - 1)
        bench.tasks.settle()
        count += 1
    assert bench.position(topic, partition) == size
    return count


def test_what_triage_read_is_committed_when_all_that_came_of_it_is_acknowledged(
    triage: Bench, lines: list[bytes]
) -> None:
    triage.broker.plans.extend([LATE] * 10_000)
    triage.triage(triage.batch("logs", 0, 0, [*bad(3), *lines]))
    assert check_that_the_last_answer_commits(triage, "logs", 3 + len(lines)) > 5
    assert [sent.value for sent in triage.stored("logs.dlq")] == bad(3)
    assert {sent.key for sent in triage.stored("qualm.salient")} == {b"logs:0"}


def test_what_evaluate_read_is_committed_when_all_that_came_of_it_is_acknowledged(
    evaluate: Bench, salient: list[SalientMessage]
) -> None:
    evaluate.broker.plans.extend([LATE] * 10_000)
    values = [b"{]", *(event.encode() for event in salient)]
    evaluate.evaluate(evaluate.batch("qualm.salient", 0, 0, values))
    assert check_that_the_last_answer_commits(evaluate, "qualm.salient", len(values)) > 2
    assert evaluate.dead_offsets("qualm.salient.dlq") == [0]
    assert evaluate.alerts() == []
    assert {sent.key for sent in evaluate.stored("qualm.suspicious")} == {b"logs"}


def test_what_incidents_read_is_committed_when_all_that_came_of_it_is_acknowledged(
    evaluate: Bench, salient: list[SalientMessage]
) -> None:
    evaluate.evaluate(evaluate.batch("qualm.salient", 0, 0, [event.encode() for event in salient]))
    values = [b"{]", b"3", *(sent.value for sent in evaluate.stored("qualm.suspicious"))]
    evaluate.broker.plans.extend([LATE] * 10_000)
    evaluate.group(evaluate.batch("qualm.suspicious", 2, 0, values))
    late = 0
    while waiting := evaluate.broker.late:
        assert evaluate.position("qualm.suspicious", 2) is None, "committed before everything is acknowledged"
        evaluate.broker.answer_late(waiting - 1)
        evaluate.tasks.settle()
        late += 1
    assert late > 2
    assert evaluate.position("qualm.suspicious", 2) == len(values)
    assert evaluate.dead_offsets("qualm.suspicious.dlq") == [0, 1]
    assert evaluate.alerts()


def test_a_batch_that_was_not_published_is_not_committed_nor_is_what_follows(triage: Bench) -> None:
    triage.triage(triage.batch("logs", 0, 0, bad(2)))
    triage.broker.plans.append(Plan(Verdict.FATAL))
    triage.triage(triage.batch("logs", 0, 2, bad(3)), triage.batch("logs", 0, 5, bad(3)))
    assert triage.worker.app._crashed.is_set()
    assert triage.dead_offsets() == [0, 1, 3, 4, 5, 6, 7]
    assert triage.position("logs") == 2


def test_what_the_broker_does_not_take_is_sent_again_and_then_committed(triage: Bench) -> None:
    triage.broker.plans.extend([Plan(), Plan(Verdict.LOST), Plan(Verdict.LOST), Plan(Verdict.TURNED_DOWN)])
    triage.triage(triage.batch("logs", 0, 0, bad(3)))
    assert triage.dead_offsets() == [0, 1, 2]
    assert triage.position("logs") == 3


def test_a_stopping_worker_gives_up_without_committing(triage: Bench) -> None:
    triage.worker.publisher.stop()
    triage.broker.plans.append(Plan(Verdict.LOST))
    triage.triage(triage.batch("logs", 0, 0, bad(1)), triage.batch("logs", 0, 1, bad(1)))
    assert len(triage.broker.sent) == 2, "once each"
    assert triage.position("logs") is None
    assert not triage.worker.app._crashed.is_set()


def test_salient_events_of_another_bundle_are_refused_with_the_reason(
    evaluate: Bench, bundle: Bundle, salient: list[SalientMessage]
) -> None:
    event = suspicious(salient)
    (foreign,) = copies(event, [1], bundle="ab" * 32)
    evaluate.evaluate(evaluate.batch("qualm.salient", 0, 7, [foreign]))
    (dead,) = evaluate.stored("qualm.salient.dlq")
    assert dead.value == foreign
    headers = dict(dead.headers)
    assert headers["qualm.error.reason"] == f"other bundle: abababababab, not {bundle.digest[:12]}".encode()
    assert headers["qualm.error.topic"] == b"qualm.salient"
    assert headers["qualm.error.offset"] == b"7"
    assert evaluate.alerts() == []
    assert evaluate.position("qualm.salient") == 8
    evaluate.judge([event.encode()])
    assert len(evaluate.alerts()) == 1


def test_offsets_that_are_delivered_again_are_not_taken_in_twice(triage: Bench) -> None:
    triage.triage(triage.batch("logs", 0, 0, bad(5)))
    triage.triage(triage.batch("logs", 0, 3, bad(5, 3)), triage.batch("logs", 0, 0, bad(8)))
    assert triage.dead_offsets() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_partition_of_several_that_is_read_to_its_end_says_so(
    triage: Bench, lines: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 50.0
    monkeypatch.setattr("agents.worker.monotonic", lambda: now)
    triage.worker._idle.keep({TP("wide", n) for n in range(4)} | {TP("logs", 0)}, now)
    for topic in ("wide", "logs"):
        triage.triage(triage.batch(topic, 0, 0, lines[:100]))
    triage.broker.stored.clear()
    # Of 0 and of 1 everything was read, of 2 it is not known, and of 3 there is more.
    triage.consumer.ends = {TP("wide", 0): 100, TP("wide", 1): 0, TP("wide", 3): 8, TP("logs", 0): 100}
    triage.consumer.positions = {TP("wide", 1): 0, TP("wide", 2): 0, TP("wide", 3): 7}

    def told() -> list[tuple[int, bool, int]]:
        triage.tasks.start(triage.worker._tell_idle())
        found = [decode_salient(sent.value) for sent in triage.stored("qualm.salient")]
        triage.broker.stored.clear()
        assert {each.topic for each in found} <= {"wide"}  # logs has one partition: nobody waits for it
        return [(each.lane, each.idle, each.position) for each in found]  # type: ignore[union-attr]  # notices

    assert told() == []  # not quiet for a second
    now += 1.5
    assert sorted(told()) == [(0, True, 99), (1, True, -1)]
    assert told() == []  # they have said so
    triage.triage(triage.batch("wide", 0, 100, lines[100:101]))
    triage.broker.stored.clear()
    now += 1.5
    triage.consumer.ends[TP("wide", 0)] = 102
    assert told() == []  # there is more
    triage.consumer.ends[TP("wide", 0)] = 101
    assert told() == [(0, True, 100)]


@pytest.fixture
def keyed(bundle: Bundle, benches: list[Bench]) -> Bench:
    """A worker that triages what it has keyed by entity, over the one partition that the keyed topic has."""
    benches.append(Bench(bundle, role="triage", topics="wide", key_by="entity", keyed_partitions=3))
    return benches[-1]


def test_what_is_keyed_is_committed_when_all_that_came_of_it_is_acknowledged(
    keyed: Bench, lines: list[bytes]
) -> None:
    keyed.broker.plans.extend([LATE] * 10_000)
    keyed.key(keyed.batch("wide", 3, 0, [*bad(3), *lines]))
    assert check_that_the_last_answer_commits_of(keyed, "wide", 3, 3 + len(lines)) > 3
    assert [sent.value for sent in keyed.stored("wide.dlq")] == bad(3)
    found = [decode_keyed(sent.value) for sent in keyed.stored("qualm.keyed")]
    assert sum(len(each.places) for each in found) == len(lines)
    assert {(each.topic, each.partition, each.partitions) for each in found} == {("wide", 3, 4)}
    assert {sent.partition for sent in keyed.stored("qualm.keyed")} == {0}  # no more than the topic has


def test_what_was_keyed_is_triaged_when_its_turn_has_come_with_its_own_coordinates(
    keyed: Bench, lines: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 50.0
    monkeypatch.setattr("agents.worker.monotonic", lambda: now)
    keyed.worker._idle.keep({TP("wide", n) for n in range(4)} | {TP("qualm.keyed", 0)}, now)
    keyed.key(keyed.batch("wide", 2, 70, lines))
    now += 1.5
    keyed.consumer.ends = {TP("wide", n): 70 + len(lines) if n == 2 else 0 for n in range(4)}
    keyed.consumer.positions = dict.fromkeys(keyed.consumer.ends, 0)
    keyed.tasks.start(keyed.worker._tell_idle())
    written = [sent.value for sent in keyed.stored("qualm.keyed")]
    assert [decode_keyed(value).idle for value in written[-4:]] == [True] * 4
    keyed.triage(keyed.batch("qualm.keyed", 0, 0, [b"{]", *written[:-4]]))
    assert keyed.stored("qualm.salient") == []  # the other three partitions may hold earlier events
    keyed.triage(keyed.batch("qualm.keyed", 0, 1 + len(written) - 4, written[-4:]))
    found = [decode_salient(sent.value) for sent in keyed.stored("qualm.salient")]
    events = [each for each in found if isinstance(each, SalientEvent)]
    assert {(each.topic, each.partition, each.lane, each.lanes) for each in events} == {("wide", 2, 0, 1)}
    for each in events:
        if each.trigger == "event":
            assert each.message == json.loads(lines[each.offset - 70])["message"]
    assert keyed.dead_offsets("qualm.keyed.dlq") == [0]
    assert {sent.key for sent in keyed.stored("qualm.salient")} == {b"wide:0"}
    assert keyed.position("qualm.keyed") == 1 + len(written)


def test_that_a_topic_is_torn_is_said_once_and_counted(
    bundle: Bundle, lines: list[bytes], benches: list[Bench], caplog: pytest.LogCaptureFixture
) -> None:
    for key_by, said in (("auto", 1), ("none", 0)):
        bench = Bench(bundle, role="triage", topics="wide", key_by=key_by)
        benches.append(bench)
        caplog.clear()
        for partition in (0, 1, 0, 1):
            bench.triage(bench.batch("wide", partition, 0, lines[:2000]))
        texts = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len(texts) == said
        if said:
            says(
                texts[0],
                "Topic …: … are seen in several partitions (… of …): set key_by = …, or key producers.",
            )
    seen = metrics.NAMES.labels("wide", "entity")._value.get()
    assert metrics.NAMES_TORN.labels("wide", "entity")._value.get() == seen > 20


def test_triage_forgets_partitions_that_went_away_and_keeps_the_others(triage: Bench) -> None:
    triage.assigned(TP("logs", 0), TP("logs", 1))
    triage.triage(triage.batch("logs", 0, 0, bad(2)), triage.batch("logs", 1, 0, bad(3)))
    triage.assigned(TP("logs", 1))
    triage.assigned(TP("logs", 0), TP("logs", 1))
    triage.broker.stored.clear()
    triage.triage(triage.batch("logs", 0, 0, bad(2)), triage.batch("logs", 1, 0, bad(3)))
    # Another worker may have read partition 0 in between, so nothing is known of it. Of 1 everything is.
    assert triage.dead_offsets() == [0, 1]
    assert {dict(sent.headers)["qualm.error.partition"] for sent in triage.broker.stored} == {b"0"}


def test_who_takes_a_partition_over_says_the_same_from_the_last_snapshot_on(
    bundle: Bundle, lines: list[bytes], benches: list[Bench], tmp_path: Path
) -> None:
    tp, third = TP("logs", 0), len(lines) // 3
    calm = Bench(bundle, role="triage")
    calm.triage(calm.batch("logs", 0, 0, lines))
    first, second = (Bench(bundle, role="triage", state=str(tmp_path)) for _ in range(2))
    benches += [calm, first, second]
    assert first.wait(first.worker.keeper.take_up({tp})) == {}
    first.wait(first.worker.keeper.begin({tp: 0}))
    first.triage(first.batch("logs", 0, 0, lines[:third]))
    first.wait(first.worker.keeper.save_all(10))
    first.triage(first.batch("logs", 0, third, lines[third : 2 * third]))  # then it is killed
    assert second.wait(second.worker.keeper.take_up({tp})) == {tp: third}
    second.triage(second.batch("logs", 0, third, lines[third:]))

    def told(bench: Bench) -> list[bytes]:
        return [sent.value for sent in bench.stored("qualm.salient")]

    assert len(told(calm)) > 10
    early = told(first)
    assert told(calm)[: len(early)] == early
    assert set(told(calm)) == set(early) | set(told(second))
    assert len(early) > len(told(calm)) - len(told(second)), "something was told twice"


def test_incidents_do_not_take_in_twice_what_is_read_again(
    evaluate: Bench, salient: list[SalientMessage]
) -> None:
    event = suspicious(salient)
    evaluate.judge(copies(event, [1, 2, 3]))
    told = [sent.value for sent in evaluate.stored("qualm.suspicious")]
    evaluate.group(evaluate.batch("qualm.suspicious", 0, 0, told))
    evaluate.judge([*copies(event, [4]), much_later(event)])
    assert [alert.count for alert in evaluate.alerts() if alert.status == "resolved"] == [4]
    for _ in range(2):  # nor are dead letters sent twice
        evaluate.group(evaluate.batch("qualm.suspicious", 0, 99, [b"{]"]))
    assert evaluate.dead_offsets("qualm.suspicious.dlq") == [99]


def test_what_was_read_before_a_return_is_not_taken_in(triage: Bench) -> None:
    batch = triage.batch("logs", 0, 5, bad(2))
    batch.outdated = triage.ledger.outdated()
    triage.ledger.start_afresh()
    triage.triage(batch)
    assert triage.dead_offsets() == []
    assert triage.worker.keeper.position("logs", 0) == 0


def test_a_worker_that_finishes_takes_in_nothing_more(triage: Bench) -> None:
    triage.triage(triage.batch("logs", 0, 0, bad(2)))
    triage.wait(triage.worker.finish(0.0, 1.0))
    triage.triage(triage.batch("logs", 0, 2, bad(2)))
    assert triage.dead_offsets() == [0, 1]
    assert triage.position("logs") == 2


def test_incidents_are_forgotten_with_their_partition_and_the_others_kept(
    evaluate: Bench, salient: list[SalientMessage]
) -> None:
    event = suspicious(salient)
    for topic in ("logs", "wide"):
        evaluate.evaluate(
            evaluate.batch("qualm.salient", 0, 0, [event.model_copy(update={"topic": topic}).encode()])
        )
    logs, wide = (sent.value for sent in evaluate.stored("qualm.suspicious"))

    def group() -> None:
        evaluate.group(
            evaluate.batch("qualm.suspicious", 0, 0, [logs]), evaluate.batch("qualm.suspicious", 1, 0, [wide])
        )

    here = TP("qualm.suspicious", 0), TP("qualm.suspicious", 1)
    evaluate.assigned(*here)
    group()
    assert [alert.topic for alert in evaluate.alerts()] == ["logs", "wide"]
    evaluate.assigned(here[1], TP("logs", 0))
    evaluate.assigned(*here)
    group()
    assert [alert.topic for alert in evaluate.alerts()] == ["logs", "wide", "logs"]


def test_partitions_of_a_topic_are_one_incident_and_topics_are_not(
    evaluate: Bench, salient: list[SalientMessage]
) -> None:
    event = suspicious(salient)
    of = [("logs", 0), ("logs", 1), ("logs", 2), ("wide", 0)]
    for number, (topic, partition) in enumerate(of):
        changes = {"topic": topic, "partition": partition}
        evaluate.judge(copies(event, [number], **changes), partition)
    for topic, partition in of[::-1]:
        moved = event.model_copy(update={"topic": topic, "partition": partition})
        evaluate.judge([much_later(moved)], partition)
    told = [(alert.topic, alert.update, alert.page, alert.count) for alert in evaluate.alerts()]
    assert told == [
        ("logs", "opened", True, 1),
        ("wide", "opened", True, 1),
        ("wide", "resolved", False, 1),
        ("logs", "resolved", False, 3),
    ]


def test_a_partition_of_a_topic_of_four_takes_it_to_be_four_times_as_busy(
    bundle: Bundle, lines: list[bytes], benches: list[Bench]
) -> None:
    paces = []
    for topic in ("logs", "wide"):
        bench = Bench(bundle, role="triage")
        benches.append(bench)
        bench.triage(bench.batch(topic, 0, 0, lines))
        found = [decode_salient(sent.value) for sent in bench.stored("qualm.salient")]
        events = [each for each in found if isinstance(each, SalientEvent)]
        paces.append(
            {(each.offset, each.record, each.trigger, each.source, each.entity): each.pace for each in events}
        )
    one, four = paces
    both = one.keys() & four.keys()  # what could alert passes, and of a busier topic less could
    assert len(both) > 5
    # Of the units that begin in a second each partition sees a part; those to an event are the same in all.
    for each in both:
        assert four[each] == (pytest.approx(4.0 * one[each][0]), one[each][1])


def much_later(event: SalientEvent) -> bytes:
    """A notice by which every incident is over."""
    return Watermark(
        topic=event.topic, partition=event.partition, bundle=event.bundle, watermark=event.watermark + 1e6,
        position=1_000_000,
    ).encode()  # fmt: skip


def test_a_salient_event_that_is_delivered_twice_counts_once(
    evaluate: Bench, salient: list[SalientMessage]
) -> None:
    event = suspicious(salient)
    first, second = copies(event, [1, 2])
    evaluate.judge([first, first])
    evaluate.judge([first, second, much_later(event)])
    assert [alert.count for alert in evaluate.alerts() if alert.status == "resolved"] == [2]


def test_however_much_is_delivered_again_counts_once(evaluate: Bench, salient: list[SalientMessage]) -> None:
    event = suspicious(salient)
    said = [copies(event, [n], position=n)[0] for n in range(6000)]
    said.append(copies(event, [6000], position=5999)[0])  # two of one record
    evaluate.judge(said)
    evaluate.judge([*said, much_later(event)])
    (resolved,) = [alert for alert in evaluate.alerts() if alert.status == "resolved"]
    assert resolved.count == 6001


def test_a_topic_that_was_made_anew_is_not_taken_for_what_is_delivered_again(
    evaluate: Bench, salient: list[SalientMessage]
) -> None:
    event = suspicious(salient)
    later = {"time": event.time + 50, "watermark": event.watermark + 50}
    (before, after) = (copies(event, [1], position=700), copies(event, [2], position=3, **later))
    evaluate.judge([*before, *after, *after, much_later(event)])
    (resolved,) = [alert for alert in evaluate.alerts() if alert.status == "resolved"]
    assert resolved.count == 2


@pytest.mark.parametrize(
    ("role", "reads"),
    [
        ("triage", {"qualm.triage": ["a", "b"]}),
        ("evaluate", {"qualm.evaluate": ["salient"], "qualm.incidents": ["suspicious"]}),
        (
            "all",
            {"qualm.triage": ["a", "b"], "qualm.evaluate": ["salient"], "qualm.incidents": ["suspicious"]},
        ),
    ],
)
def test_each_role_has_its_agents_and_they_are_given_bytes(
    bundle: Bundle, role: str, reads: dict[str, list[str]]
) -> None:
    topics = {"topics": "a,b", "salient_topic": "salient", "suspicious_topic": "suspicious"}
    worker = Worker(load_settings(**topics, role=role), bundle)
    assert (worker._evaluation is None) == (role == "triage")  # whoever triages loads no device
    app = worker.app
    channels = {name: agent.channel for name, agent in app.agents.items()}
    assert {name: list(channel.topics) for name, channel in channels.items()} == reads
    for channel in channels.values():
        assert (channel.key_serializer, channel.value_serializer) == ("raw", "raw")


def test_alerts_carry_their_fingerprint_as_key_and_their_id_in_cloudevents(
    evaluate: Bench, salient: list[SalientMessage]
) -> None:
    evaluate.judge([each.encode() for each in salient])
    assert evaluate.stored("qualm.alerts")
    for sent in evaluate.stored("qualm.alerts"):
        alert = Alert.decode(sent.value)
        assert sent.key == alert.fingerprint.encode()
        assert dict(sent.headers)["ce_id"] == alert.id.encode()
        assert dict(sent.headers)["ce_type"] == f"io.qualm.alert.{alert.status}".encode()


def test_each_topic_is_read_as_its_settings_say(bundle: Bundle, benches: list[Bench]) -> None:
    """Half of a JSON object is a dead letter on a topic of JSON, and a line on one of text."""
    bench = Bench(bundle, role="triage", read={"texts": {"format": "text"}})
    benches.append(bench)
    for topic in ("logs", "texts"):
        bench.triage(bench.batch(topic, 0, 0, [b'{"half": ']))
    assert [sent.topic for sent in bench.broker.stored if sent.topic.endswith(".dlq")] == ["logs.dlq"]


def test_topics_are_read_as_the_bundle_was_trained(bundle: Bundle, benches: list[Bench]) -> None:
    manifest = bundle.manifest.model_copy(update={"reading": ReadOptions("text").remembered()})
    bench = Bench(replace(bundle, manifest=manifest), role="triage")
    benches.append(bench)
    bench.triage(bench.batch("logs", 0, 0, [b'{"half": ']))
    assert bench.stored("logs.dlq") == []


def test_entities_forgotten_for_want_of_room_are_counted(triage: Bench) -> None:
    """Of 60,000 that are live at once, a partition holds 16,384."""
    before = metrics.REGISTRY.get_sample_value("qualm_forgotten_total")
    lines = [b'{"time": 1700000000, "trace_id": "r%d", "msg": "begin"}' % i for i in range(60_000)]
    triage.triage(triage.batch("logs", 0, 0, lines))
    after = metrics.REGISTRY.get_sample_value("qualm_forgotten_total")
    assert before is not None
    assert after is not None
    assert after - before == 60_000 - 16_384
