"""What both Lambdas need to call AWS, over botocore."""
