"""What all sides of NeuroCAAS agree on: names, keys, documents and states. Standard library only, Python
3.10+.

The manager, the monitor, the machine, the client and the deployment program import this package and nothing
of each other, so a rule that two of them must share is written here once.
"""
