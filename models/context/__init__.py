"""What is usual, and the surprise features that say how unusual an event is against it.

Start at `features.py`, the list of features; `context.py` turns events into rows of them by the compiled loop
in `kernel.py`, whose definition in plain Python is `tests/models/context/naive.py`. `templates.py` names the
constant part of a message.
"""
