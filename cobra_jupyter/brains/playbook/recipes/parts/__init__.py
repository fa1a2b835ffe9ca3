"""Plain code that recipes share. The assembler copies the parts that a recipe uses into its cell."""
