"""The loop: context in, reply out, cell run, observation recorded."""
