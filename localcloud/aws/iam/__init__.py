"""What MiniStack's policy evaluation lacks: one verified root key, PassRole, tags and variables in conditions, launches checked per resource."""
