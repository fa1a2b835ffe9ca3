"""Sources of `%%shared` cells: label-free features that several recipes read."""
