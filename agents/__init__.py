"""The moving parts: what a worker, a replay and the command line do with the detector. No arithmetic here.

Start at `triage.py` and `evaluate.py`, the two halves of an event's way, then `worker.py`, which runs them on
Kafka, and `replay.py`, which runs them on files; `explain.py` makes one alert again. `process.py` is a worker
as a process, `settings.py` has all that can be configured.
"""
