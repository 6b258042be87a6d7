"""What runs on the machine of a dataset: contrib/ (bash, the developers' side) and agent/ (reports and
transfers).
"""
