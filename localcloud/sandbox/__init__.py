"""The ground of machines and of image builds: the base root, sandboxes over it, their limits, disks and
network, and the client of the control plane.
"""
