"""From the bytes of a record to log events: every format and every family of lines in a file of its own.

Start at `detection.py`, which decodes a topic; `registry.py` tells formats apart, `lines.py` lines of text;
`options.py` holds what users may say about reading, and which of it counts.
"""
