"""A file for a secret of an account, such as a private key: new, for its owner only, and outside
version control.
"""

import os
import subprocess
from pathlib import Path

from neurocaas.protocol.problems import UserFacingError


class SecretFileError(UserFacingError):
    """A place where no secret may be written."""


def new_file(out: str | Path, example: str = "~/.ssh/neurocaas.pem") -> Path:
    """Where a secret may be written. Raises SecretFileError for a file that exists, that cannot be made, or
    is under version control.
    """
    path = Path(out).expanduser()
    if not str(out) or str(out).endswith("/"):
        raise SecretFileError(
            f"--out {str(out)!r}", "the name of a new file", f"for instance --out {example}"
        )
    if path.exists() or path.is_symlink():
        raise SecretFileError(
            f"{path}, which exists",
            "a file that does not exist yet",
            "delete it, or choose another name with --out",
        )
    if not path.parent.is_dir():
        raise SecretFileError(
            f"{path}, whose folder does not exist",
            "a file in an existing folder",
            f"mkdir -p -m 700 {path.parent}",
        )
    tree = work_tree(path.resolve().parent)
    if tree is not None:
        raise SecretFileError(
            f"{path}, which is in the git work tree {tree}",
            "a place outside version control: a committed key is everybody's",
            f"write it to your home folder, for instance --out {example}",
        )
    try:
        create(path, "")
        path.unlink()
    except OSError as error:
        raise SecretFileError(
            f"{path}, which cannot be made: {error.strerror}",
            "a folder in which you may make files",
            f"for instance --out {example}",
        ) from None
    return path


def create(path: Path, text: str) -> None:
    """Make the file with mode 0400 from the first moment on. Raises FileExistsError when it is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def work_tree(folder: Path) -> Path | None:
    """The git work tree that a folder is in, None when it is in none."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "--show-toplevel"],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), None)
    return Path(done.stdout.strip()) if done.returncode == 0 and done.stdout.strip() else None
