"""Writing a new image into a blueprint between two commits: the state before it, the state after it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from blueprints.edit import record_image, require_image
from blueprints.model import FILE
from image_builder.commits import CommitError, can_commit, commit_folder
from image_builder.dev.errors import DevelopmentError


@dataclass(frozen=True)
class Recorded:
    """The hashes of the two commits."""

    before: str
    after: str


def update(
    root: Path, analysis: str, account: str, region: str, ami: str, message: str | None
) -> Recorded | None:
    """Record `ami` for the account and region, and that jobs need an image from now on; None when the
    blueprint says so already.

    Both commits contain the blueprint file and nothing else: what is staged stays staged. When a commit
    fails, the file is as it was.
    Raises DevelopmentError outside a git repository and when git refuses, InvalidInput for a file that cannot
    be edited.
    """
    path = root / "blueprints" / analysis / FILE
    original = path.read_bytes()
    if not record_image(root, analysis, account, region, ami):
        return None
    require_image(root, analysis)
    changed = path.read_bytes()
    path.write_bytes(original)
    said: list[str] = []
    try:
        if not can_commit(root, said.append):
            raise _refused(said[-1])
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S UTC}"
        what = f"automatic commit to document pipeline {FILE}"
        purpose = f"Purpose: {message or f'{ami} for {analysis} in {account}/{region}'}"
        before = _commit(root, path, f"{what} before update at {now}. {purpose}", said.append)
        path.write_bytes(changed)
        after = _commit(root, path, f"{what} after update at {now}. {purpose}", said.append)
    except BaseException as error:
        path.write_bytes(original)
        if isinstance(error, CommitError):
            raise _refused(str(error).partition("\n")[0]) from None
        raise
    return Recorded(before, after)


def _commit(root: Path, path: Path, message: str, say: Callable[[str], None]) -> str:
    made = commit_folder(root, path, message, say=say, empty=True)
    assert made is not None  # asked before: there is a repository
    return made


def _refused(why: str) -> DevelopmentError:
    return DevelopmentError(
        f"no image was recorded: {why}",
        "a git repository that takes commits: your fork or branch of neurocaas with the blueprint in it",
        "put that right and try again; the blueprint is as it was",
    )
