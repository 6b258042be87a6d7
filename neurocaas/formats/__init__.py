"""Formats of the field: what of a BIDS folder is a dataset, whether a file is NWB, files at addresses."""
