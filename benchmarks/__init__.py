"""What `qualm bench` runs, and its baselines."""
