"""How results look in notebooks, reports and terminals."""
