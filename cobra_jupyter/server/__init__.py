"""The Jupyter Server extension: it finds living runs, attaches to them and relays; nothing of a run happens here."""
