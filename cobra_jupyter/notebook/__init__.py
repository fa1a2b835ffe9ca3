"""The notebook: document, operations, merge, file, outputs, export, solution and report."""
