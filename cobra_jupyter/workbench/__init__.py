"""What cells call (`cobra`), and the harness behind it. Runs in the kernel's environment; imports nothing of
the runner."""
