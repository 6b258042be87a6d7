"""What runs in AWS for a job: the protocol all sides share, the manager, the monitor and the machine's own
code.
"""
