"""Plugins of the whole suite: pytest takes them from here alone."""

from importlib.util import find_spec

# not in the environment of `make test-container`, which needs no server
pytest_plugins = ["pytest_jupyter.jupyter_server"] if find_spec("pytest_jupyter") else []
