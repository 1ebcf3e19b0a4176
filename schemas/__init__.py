"""What crosses a topic: log events, salient events, alerts and dead letters."""
