"""EC2 Image Builder, from botocore's model: recipes are real, builds are run by the fleet, results are
machine images that boot.
"""
