"""Metrics, scores and their standard errors."""
