"""One class a resource type, one module a service. They know boto3 clients and properties, nothing of gRPC or
previews.
"""
