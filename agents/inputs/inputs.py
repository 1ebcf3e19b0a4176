"""What train and replay read: files, globs, '-' and kafka:// topics as record batches, and label files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agents.inputs.files import FileReader, InputError, expand, size
from agents.inputs.rotation import streams
from agents.records import FILE_TOPIC, RecordBatch
from agents.settings import Settings
from models.labels import Labels, read_labels
from schemas.alert import Alert

if TYPE_CHECKING:
    from agents.inputs.topics import KafkaSource

__all__ = ["InputError", "Inputs", "labels_from"]

SCHEME: Final = "kafka://"
FILE_LINES: Final = 1 << 40  # offsets of one file: the next file's lines count from the next multiple
MOST_STREAMS: Final = 800  # read at once; a process may usually have 1,024 files open


class Inputs:
    """All inputs, once: topics one after the other; of files a stream for each or each set of rotated ones.

    total and done are bytes of files or records of topics; total 0 is unknown. records: how many were read.
    files: the names of the files, empty for topics. most: how many records are read in all, of each stream or
    partition the first ones; None for all.

    Raises InputError for an input that cannot be read, before or while it is.
    """

    def __init__(self, inputs: Sequence[str], settings: Settings, most: int | None = None) -> None:
        topics = [name for name in inputs if name.startswith(SCHEME)]
        if topics and len(topics) != len(inputs):
            raise InputError("give either files or topics, not both in one run")
        self.total = 0
        self.done = 0
        self.records = 0
        self._settings = settings
        self._most = most
        self._topics = topics
        self._partitions: dict[str, int] = {}  # of the topics that were begun
        self._source: KafkaSource | None = None  # the topic that is being read, if it has several partitions
        self._ended: set[int] = set()  # partitions of it that were told to be over
        self.files = [] if topics else expand(inputs)
        self._parts = streams(self.files)
        if len(self._parts) > MOST_STREAMS:
            raise InputError(
                f"{len(self._parts):,} files are too many to be merged by time, {MOST_STREAMS} are the most; "
                "give fewer, or concatenate those of one service and pipe them in: cat ... | qualm ... -"
            )
        if self.files:
            self.total = size(self.files)

    def streams(self) -> list[Iterator[RecordBatch]]:
        """What to read: the records of all topics, or those of each file or set of rotated ones."""
        found = [self._read_files(part) for part in self._parts] or [self._read_topics()]
        return [self._counted(stream) for stream in found]

    @property
    def names(self) -> list[str]:
        """What each stream of files is called: its file, or the last of its rotated ones and their number."""
        more = ("" if len(part) == 1 else f" ({len(part)} files)" for part in self._parts)
        return [self.files[part[-1]] + text for part, text in zip(self._parts, more, strict=True)]

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has that is being read; 1 for files."""
        return self._partitions.get(topic, 1)

    def reached(self, partition: int, time: float) -> None:
        """The reader has come to an event time (s) in a partition of the topic that is being read."""
        if self._source is not None and not isnan(time):
            self._source.reached[partition] = time

    def newly_ended(self) -> list[tuple[str, int]]:
        """Topic and partition of those that are over since the last call, of a topic that has several."""
        if self._source is None:
            return []
        new = sorted(self._source.ended() - self._ended)
        self._ended.update(new)
        return [(self._source.topic, each) for each in new]

    def place(self, topic: str, partition: int, offset: int) -> str:
        """Where a record is, for people: file and line, or partition and offset."""
        if not self.files:
            return f"{topic}[{partition}] offset {offset}"
        name = self.files[offset // FILE_LINES].encode("utf-8", "replace").decode()
        return f"{name}, line {offset % FILE_LINES + 1:,}"

    def located(self, alert: Alert) -> Alert:
        """An alert with coordinates that a person finds: of several files, the partition is the number of the
        file, from 0 as they were given, the offset that of the line in it, and an annotation names both.
        """
        if len(self.files) < 2:
            return alert
        file, line = divmod(alert.offset, FILE_LINES)
        record = {"record": self.place(alert.topic, alert.partition, alert.offset)}
        annotations = alert.annotations | record
        return alert.model_copy(update={"partition": file, "offset": line, "annotations": annotations})

    def within(self, alert: Alert) -> Alert:
        """A located alert with the coordinates that its event has while files are read."""
        if len(self.files) < 2 or alert.topic != FILE_TOPIC:
            return alert
        return alert.model_copy(
            update={"partition": 0, "offset": alert.partition * FILE_LINES + alert.offset}
        )

    def _counted(self, stream: Iterator[RecordBatch]) -> Iterator[RecordBatch]:
        left = self._share(len(self._parts)) if self.files else None
        for batch in stream:
            if left is not None:
                batch = batch[:left]
                left -= len(batch)
            self.records += len(batch)
            yield batch
            if left == 0:
                return

    def _share(self, among: int) -> int | None:
        """The records to read of each of some inputs, at least one; None for all."""
        return None if self._most is None else -(-self._most // among)

    def _read_files(self, part: Sequence[int]) -> Iterator[RecordBatch]:
        for index in part:
            name = self.files[index]
            reader = FileReader(name, index * FILE_LINES, len(self._parts))
            told = 0
            for batch in reader:
                now = reader.tell()
                self.done += now - told
                told = now
                yield batch
            self.done += (0 if name == "-" else size([name])) - told

    def _read_topics(self) -> Iterator[RecordBatch]:
        from agents.inputs.topics import KafkaSource, SourceError  # aiokafka, only when a topic is read

        for url in self._topics:
            try:
                with KafkaSource(url, self._settings, self._share(len(self._topics))) as source:
                    self.total += source.total
                    self._partitions[source.topic] = source.partitions
                    self._source, self._ended = (source if source.partitions > 1 else None), set()
                    for batch in source:
                        self.done += len(batch)
                        yield batch
            except SourceError as error:
                raise InputError(str(error)) from None


def labels_from(path: Path | None) -> Labels | None:
    """The labels of a file, if one is given. Raises ValueError, which says what is wrong where."""
    return None if path is None else read_labels(path)
