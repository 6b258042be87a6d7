"""What in an account is a stack's own: found by name and tag, so that it can be taken into a state that does
not know it.

A thing is a stack's own when it carries the stack's two tags. What has no tags is the stack's own when it
lies on something that is (a policy of its role, a target of its rule). Nothing else is ever taken. One module
a service; :mod:`.table` has all types.
"""
