"""Everything that is Kafka's or Faust's: records in batches, and what may be committed.

Start at `ledger.py`, which decides what may be committed; `transport.py` adapts it to Faust, `publisher.py`
sends and waits for the broker's word, `faust_app.py` has the limits of the app, `admin.py` asks the broker.
"""
