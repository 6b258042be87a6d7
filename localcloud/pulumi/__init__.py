"""The engine kit: what lets the real Pulumi engine run a real program against the local cloud.

`cli` finds or gets the engine, `language` is a Python language host for an engine that comes without one,
`provider` is the stand-in for the AWS resource plugin, and `environment` puts the three together in a folder
and a set of environment variables.
"""
