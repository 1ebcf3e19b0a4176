"""What measures qualm, and what it is measured against. Knows all the other rooms; none knows it.

Start at `command.py`, which gives the command line `qualm bench` by an entry point; every other file that can
be run says so in its first line.
"""
