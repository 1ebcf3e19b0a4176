"""`qualm demo`: simulated cloud services, an embedded broker, a real worker and a live view.

Start at `run.py`. `simulation.py` and what it draws on also serve benches, tests and the default bundle.
"""
