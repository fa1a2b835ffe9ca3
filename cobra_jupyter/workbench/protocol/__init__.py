"""How candidates are judged: splits and folds, and what one fold may see."""
