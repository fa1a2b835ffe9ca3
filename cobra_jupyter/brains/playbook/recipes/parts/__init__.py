"""Blocks of plain code that recipes share; the assembler writes the ones that a recipe uses into its cell."""
