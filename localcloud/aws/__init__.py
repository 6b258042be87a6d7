"""The control plane: MiniStack, started by our launcher, with what it lacks for running machines and building
images.

This package runs in the emulator's own virtual environment (``python -m localcloud.aws``) and imports nothing
of the project but the list of base images. ``hooks`` is the only module that touches MiniStack.
"""
