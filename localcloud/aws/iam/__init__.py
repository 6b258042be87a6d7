"""What MiniStack's policy evaluation lacks: one verified root key, PassRole, tags and variables, launches
checked per resource.
"""
