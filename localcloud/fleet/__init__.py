"""The fleet: every running EC2 instance of the local cloud is a sandbox on this machine, run by one daemon
(``python -m localcloud.fleet``).
"""
