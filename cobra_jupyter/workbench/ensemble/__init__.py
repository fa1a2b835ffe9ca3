"""Blends, selection and the submission."""
