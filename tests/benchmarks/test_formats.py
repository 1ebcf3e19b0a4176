"""The rows of `python -m benchmarks.formats`: every format that can be read is timed, as what it is."""

from benchmarks.formats import run
from schemas.formats.names import FORMATS


def test_every_format_has_a_row() -> None:
    rows = run(turns=1)  # raises where one is read as another
    assert {row["format"].partition(",")[0] for row in rows} == {*FORMATS} - {"auto"}
    assert all(row["microseconds"] > 0 for row in rows)
