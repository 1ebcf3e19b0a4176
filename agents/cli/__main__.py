"""`python -m agents.cli` is the command `qualm`."""

from agents.cli.main import main

main()
