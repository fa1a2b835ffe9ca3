"""Where cells live: the document and its operations, its file, export, solution, proof and report."""
