"""Durations as people read them."""


def clock(seconds: float | None) -> str:
    """Seconds as people read them: "" when unknown, "7 s", "1:05", "2:03:04"."""
    if seconds is None:
        return ""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
