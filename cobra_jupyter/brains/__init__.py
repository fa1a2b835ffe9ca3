"""Who writes cells: language models, the playbook, recordings."""
