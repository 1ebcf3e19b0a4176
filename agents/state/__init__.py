"""State that outlives a worker: snapshots of what is kept for a partition, in a Kafka topic or a folder.

Start at `store.py`: what a snapshot is made of, and which one is taken up again. `keeper.py` says when a
worker makes and takes up which; `folder.py` and `agents/kafka/state_topic.py` are the two places where they
are kept.
"""
