"""`qualm dlq`: look at dead letters, and send them back to be read again."""

import json
import sys
from collections import Counter, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from agents.cli import options
from agents.cli.errors import WRONG, fail

if TYPE_CHECKING:
    from agents.dead_letters import Choice, ReadLetter
    from agents.inputs.topics import KafkaSource

_REASONS = 50  # kinds of reasons that are counted apart
_url = click.argument("url", metavar="kafka://HOST:PORT/TOPIC.dlq")
_reason = click.option("--reason", default="", metavar="TEXT", help="Only those with TEXT in their reason.")


@click.group(short_help="Look at dead letters; send them back.")
def dlq() -> None:
    """Look at records that could not be used, and send them back to be read again.

    What a worker cannot use goes to TOPIC.dlq, byte for byte, with the reason. First see why, then remove the
    cause (a format, a schema registry, a bundle, a producer), then send back what it was about:

    \b
      qualm dlq show  kafka://127.0.0.1:9092/logs.dlq
      qualm dlq retry kafka://127.0.0.1:9092/logs.dlq --reason "no schema"
      qualm dlq retry kafka://127.0.0.1:9092/logs.dlq --reason "no schema" --yes
    """


@dlq.command(short_help="Why records could not be used, and what they are.")
@_url
@_reason
@click.option(
    "-n",
    "--last",
    default=10,
    show_default=True,
    type=click.IntRange(0, 10_000),
    help="How many to show, the latest of each partition.",
)
@options.as_json
def show(url: str, reason: str, last: int, as_json: bool) -> None:
    """Show dead letters: why, where they came from, their bytes.

    First how many there are of each reason, then the latest. The whole topic is read; nothing on it changes.
    A record is named PARTITION:OFFSET of the dead-letter topic, as `qualm dlq retry --offset` takes it.

    --json prints an object a line, with key, value and headers in base64 where they are no text.

    \b
    Examples:
      qualm dlq show kafka://127.0.0.1:9092/logs.dlq
      qualm dlq show kafka://127.0.0.1:9092/logs.dlq --reason "not JSON" -n 100 --json
    """
    from agents.cli.dlq_view import as_object, show_letter, show_reasons
    from agents.dead_letters import Choice
    from agents.kafka.dead_letters import reason_label

    reasons: Counter[str] = Counter()
    latest: dict[int, deque[ReadLetter]] = {}
    with _opened(url) as source:
        for read in _chosen(source, Choice(reason), url, as_json):
            label = reason_label(read.letter.reason)
            reasons[label if label in reasons or len(reasons) < _REASONS else "others"] += 1
            latest.setdefault(read.partition, deque(maxlen=last)).append(read)
    if not as_json:
        show_reasons(reasons)
    for partition in sorted(latest):
        for read in latest[partition]:
            click.echo(json.dumps(as_object(read))) if as_json else show_letter(read)
    sys.stdout.flush()


@dlq.command(short_help="Send dead letters back to the topic they came from.")
@_url
@_reason
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--offset", "places", multiple=True, metavar="P:O", help="The one at PARTITION:OFFSET.")
@click.option("--yes", is_flag=True, help="Send them; without, only what would be done is said.")
@options.as_json
def retry(url: str, reason: str, everything: bool, places: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Send dead letters back to the topic they came from, to be read again.

    Choose them by --reason, by --offset (may be repeated) or take --all. Nothing is sent without --yes: first
    see what would be. Key, value and headers are as they came, the partition too; the header qualm.retries
    counts, and a record that came back three times is not sent again. So a record that can never be used
    does not go round for ever.

    A dead letter stays where it is, so to retry it twice is to send the record twice. What is sent back is
    read after what came since, and has another offset; alerts of it have other ids.

    \b
    Examples:
      qualm dlq retry kafka://127.0.0.1:9092/logs.dlq --reason "no schema"
      qualm dlq retry kafka://127.0.0.1:9092/logs.dlq --offset 0:17 --offset 2:3 --yes
      qualm dlq retry kafka://127.0.0.1:9092/qualm.salient.dlq --all --yes
    """
    from agents.dead_letters import Choice

    if not (reason or places or everything):
        fail("say which dead letters: --reason TEXT, --offset PARTITION:OFFSET, or --all", WRONG)
    choice = Choice(reason, {_place(each) for each in places})
    with _opened(url) as source:
        suffix = options.settings().dead_letter_suffix
        topic = source.topic.removesuffix(suffix)
        if topic == source.topic:
            fail(f"topic {topic}: dead letters are in topics that end with {suffix}", WRONG)
        found, problem = _retry(source, choice, topic, url, yes, as_json)
    _tell(found, topic, yes, as_json)
    if problem:
        fail(f"the broker took {found['sent']} of {found['chosen']} records: {problem}")


def _retry(
    source: "KafkaSource", choice: "Choice", topic: str, url: str, yes: bool, as_json: bool
) -> tuple[dict[str, Any], str]:
    """Send what is chosen, or only count it: what was done, and what the broker had against it."""
    from agents.dead_letters import again, why_not
    from agents.kafka.resend import Resender

    left_out: Counter[str] = Counter()
    chosen = 0
    if not (partitions := source.partitions_of(topic)):
        fail(f"no topic {topic} at {', '.join(source.settings.broker)} to send them back to")
    resender = Resender(source.settings, topic, partitions) if yes else None
    for read in _chosen(source, choice, url, as_json):
        if why := why_not(read, topic):
            left_out[why] += 1
            continue
        chosen += 1
        if resender is not None:
            resender.send(again(read), read.time)
    sent = resender.finish() if resender is not None else 0
    problem = resender.problem if resender is not None else ""
    return {"topic": topic, "chosen": chosen, "sent": sent, "left_out": dict(left_out)}, problem


def _tell(found: dict[str, Any], topic: str, yes: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found))
        return
    done = f"Sent {found['sent']}" if yes else f"Would send {found['chosen']}"
    click.echo(f"{done} dead letters back to topic {topic}.")
    for why, count in found["left_out"].items():
        click.echo(f"Left out {count}: {why}.")
    if not yes and found["chosen"]:
        click.echo("Nothing was sent; the same with --yes sends them.")


def _opened(url: str) -> "KafkaSource":
    from agents.inputs.topics import KafkaSource, SourceError

    try:
        return KafkaSource(url, options.settings())
    except SourceError as error:
        fail(error)


def _chosen(source: "KafkaSource", choice: "Choice", url: str, quiet: bool) -> "Iterator[ReadLetter]":
    """Those that are meant, with a progress bar; ends the command where the topic holds no dead letters."""
    from agents.dead_letters import read_letters
    from agents.inputs.topics import SourceError
    from agents.progress import progress_bars

    records = letters = 0
    try:
        with progress_bars(quiet) as report:
            for batch in source:
                for read in read_letters(batch):
                    if read is not None:
                        letters += 1
                        if choice.takes(read):
                            yield read
                records += len(batch)
                report("reading", records, source.total)
    except SourceError as error:
        fail(error)
    if records and not letters:
        fail(f"no dead letters in {url}; TOPIC.dlq holds those of TOPIC")


def _place(text: str) -> tuple[int, int]:
    partition, _, offset = text.partition(":")
    if not (partition.isdecimal() and offset.isdecimal() and len(text) < 40):
        fail(f"--offset {text}: is not PARTITION:OFFSET, for example 0:17", WRONG)
    return int(partition), int(offset)
