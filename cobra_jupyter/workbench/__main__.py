"""`python -m cobra_jupyter.workbench`: the harness process; its settings come as JSON on standard input."""

if __name__ == "__main__":
    from cobra_jupyter.workbench.harness.serve import main

    main()
