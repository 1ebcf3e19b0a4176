"""The detector as functions of arrays; knows nothing of Kafka."""
