"""The record of a run, and what stands beside it."""
