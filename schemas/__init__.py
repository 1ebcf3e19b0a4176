"""What crosses a topic, as types that check what they are given. Knows nothing of models or Kafka.

Start at `events.py`, the log event; then `salient.py`, `watermark.py` and `alert.py` in the order in which
they arise. `formats/` reads what collectors write. `python -m schemas.json_schema` writes `json/` from the
types.
"""
