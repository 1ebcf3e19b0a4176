"""The command line, one file a command. Nothing imports it but itself and plugins.

Start at `main.py`. Heavy imports stay inside the commands, so that `qualm --help` is instant.
"""
