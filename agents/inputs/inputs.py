"""What train and replay read: files, globs, '-' and kafka:// topics as record batches, and label files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from agents.inputs.files import FileReader, InputError, expand, size
from agents.records import RecordBatch
from agents.settings import Settings
from models.labels import Labels, read_labels

__all__ = ["InputError", "Inputs", "labels_from", "writable"]

SCHEME: Final = "kafka://"


class Inputs:
    """All inputs one after the other, once.

    total and done are bytes of files or records of topics; total 0 is unknown. records: how many were read.

    Raises InputError for an input that cannot be read, before or while it is.
    """

    def __init__(self, inputs: Sequence[str], settings: Settings) -> None:
        topics = [name for name in inputs if name.startswith(SCHEME)]
        if topics and len(topics) != len(inputs):
            raise InputError("give either files or topics, not both in one run")
        self.total = 0
        self.done = 0
        self.records = 0
        self._settings = settings
        self._topics = topics
        self._files = [] if topics else expand(inputs)
        if self._files:
            self.total = size(self._files)

    def __iter__(self) -> Iterator[RecordBatch]:
        for batch in self._read_topics() if self._topics else self._read_files():
            self.records += len(batch)
            yield batch

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
        from agents.inputs.topics import KafkaSource, SourceError  # aiokafka, only when a topic is read

        for url in self._topics:
            try:
                with KafkaSource(url, self._settings) as source:
                    self.total += source.total
                    for batch in source:
                        self.done += len(batch)
                        yield batch
            except SourceError as error:
                raise InputError(str(error)) from None


def labels_from(path: Path | None) -> Labels | None:
    """The labels of a file, if one is given. Raises ValueError, which says what is wrong where."""
    return None if path is None else read_labels(path)


def writable(path: Path) -> None:
    """Find out before long work whether a file can be written, and leave it as it is. Raises InputError."""
    existed = path.exists()
    if existed and not (path.is_file() or path.is_dir()):
        return  # a pipe or device: opening it is felt at its other end
    try:
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {error.strerror}; name a file in an existing folder"
        ) from None
