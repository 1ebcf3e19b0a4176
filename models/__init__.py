"""The detector, as functions of arrays. Knows nothing of Kafka and opens no socket.

Start at `detector.py`: triage of every event, and evaluation of the salient ones. `bundle.py` is a trained
detector on disk, `evaluation.py` says how good it was, `attribution.py` what a score rests on, `options.py`
holds what users may choose.
"""
