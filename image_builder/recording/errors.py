"""The exception of this room that is a message for a person."""


class RecordingError(Exception):
    """Something about a recording that a person can put right: what was got, what is allowed, what to do
    next.
    """

    def __init__(self, got: str, allowed: str, do: str) -> None:
        super().__init__(f"{got}\n  allowed: {allowed}\n  do: {do}")
