"""The protocol: the split and folds that score candidates, and the data that each fold may see."""
