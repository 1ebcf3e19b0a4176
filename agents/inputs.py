"""INPUT of train and replay: files, globs, '-' and kafka:// topics, as record batches with a position for progress."""

from collections.abc import Iterator, Sequence
from typing import Final

from agents.files import FileReader, InputError, expand, size
from agents.records import RecordBatch
from agents.settings import Settings

SCHEME: Final = "kafka://"


class Inputs:
    """All inputs one after the other. total and done are bytes of files or records of topics; total 0 is unknown.

    Raises InputError for an input that cannot be read, before or while it is.
    """

    def __init__(self, inputs: Sequence[str], settings: Settings) -> None:
        topics = [name for name in inputs if name.startswith(SCHEME)]
        if topics and len(topics) != len(inputs):
            raise InputError("give either files or topics, not both in one run")
        self.total = 0
        self.done = 0
        self._settings = settings
        self._topics = topics
        self._files = [] if topics else expand(inputs)
        if self._files:
            self.total = size(self._files)

    def __iter__(self) -> Iterator[RecordBatch]:
        yield from self._read_topics() if self._topics else self._read_files()

    def _read_files(self) -> Iterator[RecordBatch]:
        offset = before = 0
        for name in self._files:
            reader = FileReader(name, offset)
            for batch in reader:
                self.done = before + reader.tell()
                yield batch
            offset = reader.offset
            before += 0 if name == "-" else size([name])

    def _read_topics(self) -> Iterator[RecordBatch]:
        from agents.kafka_source import KafkaSource, SourceError  # aiokafka, only when a topic is read

        for url in self._topics:
            try:
                with KafkaSource(url, self._settings) as source:
                    self.total += source.total
                    for batch in source:
                        self.done += len(batch)
                        yield batch
            except SourceError as error:
                raise InputError(str(error)) from None
