"""The harness: the process that alone holds labels, runs trials and keeps results."""
