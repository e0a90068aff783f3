"""`python -m bootstrap.cli`: the same as the console script."""

from bootstrap.cli.main import main

main()
