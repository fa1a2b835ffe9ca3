"""The `cobra` command."""
