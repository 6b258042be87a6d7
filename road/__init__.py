"""The road of an analysis from its blueprint to results, through all rooms."""
