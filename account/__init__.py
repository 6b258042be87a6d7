"""What of an AWS account is no stack's: images that stay when theirs goes, files for its secrets."""
