"""Worker processes: one fit each, forked from a warm server."""
