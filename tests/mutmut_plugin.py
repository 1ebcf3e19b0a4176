"""Lets mutmut 3.7 run under pytest 9.2, which no longer has the private attribute that mutmut reads."""

import pytest

if not hasattr(pytest.Item, "_nodeid"):
    pytest.Item._nodeid = property(lambda item: item.nodeid)  # type: ignore[attr-defined]
