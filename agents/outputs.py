"""What train and replay write: whether it can be written is found out before long work."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class OutputError(Exception):
    """Something cannot be written; the text says which and what to do."""


def writable(path: Path) -> None:
    """Find out before long work whether a file can be written, and leave it as it is. Raises OutputError."""
    existed = path.exists()
    if existed and not (path.is_file() or path.is_dir()):
        return  # a pipe or device: opening it is felt at its other end
    try:
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written: {error.strerror}; name a file in an existing folder"
        ) from None


@contextmanager
def folder_for(out: Path, name: str) -> Iterator[None]:
    """A folder that can take a file of that name; folders made for it are gone again where the work fails.

    Raises OutputError.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        try:
            out.mkdir(parents=True, exist_ok=True)
            writable(out / name)
        except (OSError, OutputError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise OutputError(f"{out}: no bundle can be written there: {why}; choose another --out") from None
        yield
    except BaseException:
        with suppress(OSError):  # whatever is in a folder by now stays
            for folder in made:
                folder.rmdir()
        raise
