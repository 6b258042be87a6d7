"""From provisioning scripts to machine images: component documents (pure functions) and baking (boto3)."""
