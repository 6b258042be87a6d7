"""The agent of a machine: one process that reports on a dataset, and the transfers that its scripts call.

On the machine it lies as `agent/` in the code tree, beside `neurocaas/protocol` and `vendor/` (botocore); in
the repository it is `runtime.instance.agent`. Only relative imports, so it is the same package under both
names.
"""
