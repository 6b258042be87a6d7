"""EC2: machines that the fleet really runs, launch templates as AWS merges them, machine images, instance
types.
"""
