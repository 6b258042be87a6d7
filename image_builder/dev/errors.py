"""What goes wrong for a developer, in three parts."""


class DevelopmentError(Exception):
    """What was got, what is allowed, what to do next."""

    def __init__(self, got: str, allowed: str, do: str) -> None:
        super().__init__(f"{got}\n  allowed: {allowed}\n  do: {do}")
