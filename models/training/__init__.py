"""From events to a bundle. The only room that needs torch.

Start at `train.py`; `rows.py` makes what it trains on, with the synthetic faults of `faults.py`.
"""
