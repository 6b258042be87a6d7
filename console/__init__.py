"""The console: what a developer or CI types. Chooses the cloud, runs the Pulumi CLI, and turns errors into
messages.

Nothing here is needed to run an analysis; it is the only room, with the guided tour in `demo`, that may use
all the others.
"""
