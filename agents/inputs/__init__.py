"""What training and replay read: files, standard input and topics, as the record batches of a worker.

Start at `inputs.py`.
"""
