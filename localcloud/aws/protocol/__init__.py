"""AWS wire protocols, driven by botocore's own service models: what boto3 sends is parsed into what boto3 was
given, and back.
"""
