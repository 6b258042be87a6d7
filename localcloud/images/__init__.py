"""Machine images of the local cloud: directory layers over the host's system directories, and the runner that
bakes them.
"""
