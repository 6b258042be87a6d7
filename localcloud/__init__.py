"""An AWS account on this machine: an emulator, a fleet of sandboxes that are its instances, and a kit for the
Pulumi engine.

It imitates AWS and knows nothing of what runs on it: the only thing a program sees of it is
`AWS_ENDPOINT_URL` and credentials in its environment. The package imports no other package of this
repository, and could leave it unchanged.
"""
