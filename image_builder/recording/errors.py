"""The exception of this room that is a message for a person."""

from neurocaas.protocol.problems import UserFacingError


class RecordingError(UserFacingError):
    """Something about a recording that a person can put right."""
