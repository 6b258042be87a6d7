"""What must hold for every stack, as predicates over its resources: in tests, in `invoke check-policies`, and
in the policy pack.

A predicate sees types and properties only, so it can judge what mocks recorded, what the engine previews, and
what an analyzer is given. The room needs the standard library and nothing else: a policy pack has a Python
environment of its own.
"""
