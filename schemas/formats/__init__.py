"""From the bytes of a record to log events: JSON, OTLP/JSON and text, each in a file of its own.

Start at `detection.py`, which tells formats apart and decodes a topic; `lines.py` tells the families of text
lines apart; `options.py` holds what users may say about reading, and which of it counts.
"""
