"""The Pulumi components of NeuroCAAS: the stack that all analyses share, and the stack of one analysis."""
