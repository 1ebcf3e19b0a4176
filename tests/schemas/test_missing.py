"""What events do not say is counted over batches."""

import math

from schemas.events import EventBatch
from schemas.missing import Missing


def test_shares_are_of_all_events() -> None:
    missing = Missing()
    assert set(missing.shares().values()) == {0.0}
    missing.add(
        EventBatch.of(
            [(1.0, 9, "a", "e", "m", None, 0, 0, ""), (math.nan, 0, "unknown", "", "m", None, 1, 0, "")]
        )
    )
    missing.add(EventBatch.of([(2.0, 0, "unknown", "", "m", None, i, 0, "") for i in range(2)]))
    assert missing.shares() == {"time": 0.25, "level": 0.75, "source": 0.75, "entity": 0.75}
