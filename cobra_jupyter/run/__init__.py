"""One run as a process: runner, control, socket, registry, proof and verification."""
