"""What goes wrong for a developer."""

from neurocaas.protocol.problems import UserFacingError


class DevelopmentError(UserFacingError):
    """Something about a development instance, or its image, that a person can put right."""
