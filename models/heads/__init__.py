"""What turns features into a score: prefilter, gate, circuit with readout, classical twin, density matrices.

Start at `prefilter.py`, which sees every event; `calibration.py` turns a score into a p-value.
"""
