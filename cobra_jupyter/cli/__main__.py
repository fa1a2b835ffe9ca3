"""`python -m cobra_jupyter.cli`: the `cobra` command."""

from cobra_jupyter.cli.main import main

if __name__ == "__main__":
    main()
