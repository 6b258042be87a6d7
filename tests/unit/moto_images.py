"""An image of moto's EC2."""

IMAGE = "ami-03cf127a"
"""Ubuntu's, for x86_64: the first of the thousand that moto knows, all of which take it a second to list."""
