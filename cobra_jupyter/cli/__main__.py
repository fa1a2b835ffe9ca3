"""`python -m cobra_jupyter.cli`: the `cobra` command."""

import sys

from cobra_jupyter.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
