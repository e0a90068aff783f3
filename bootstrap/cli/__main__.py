"""`python -m bootstrap.cli`: the same as the console script."""

import sys

from bootstrap.cli.main import main

sys.exit(main())
