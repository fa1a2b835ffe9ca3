"""Where cells run: probe, session, harness process."""
