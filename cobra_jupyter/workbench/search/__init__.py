"""Candidates, trials and ablations."""
