"""`python -m eighteen` is the command `eighteen`."""

from eighteen.cli.main import run

run()
