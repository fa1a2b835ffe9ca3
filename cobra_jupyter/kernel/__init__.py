"""The kernel that runs cells, and the harness process."""
