"""The Jupyter Server extension: finds live runs, attaches to them and relays. It runs nothing itself."""
