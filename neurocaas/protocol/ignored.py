"""What operating systems, office programs and file servers leave in folders: no data of anybody.

A pattern (`*`, `?`, `[…]`, capitals or not) is that of a file's name, or of a folder on the way to it; what
it matches below a folder of datasets is passed over. A file that a submission names itself is always taken. A
blueprint has a list of its own in `datasets.ignore`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

LEFT_BEHIND = (
    # macOS: the Finder's views and icons, the halves of files on other file systems, the folders of a volume.
    ".DS_Store",
    "._*",
    "Icon\r",
    ".localized",
    ".AppleDouble",
    "__MACOSX",
    ".Spotlight-V100",
    ".Trashes",
    ".fseventsd",
    ".TemporaryItems",
    ".DocumentRevisions-V100",
    # Windows: previews, views of folders, what every volume has.
    "Thumbs.db",
    "Thumbs.db:encryptable",
    "ehthumbs.db",
    "desktop.ini",
    "$RECYCLE.BIN",
    "System Volume Information",
    # Linux: files that were deleted while they were open, and what a file system check has found.
    ".directory",
    ".nfs????????*",
    ".fuse_hidden*",
    ".Trash-*",
    "lost+found",
    # File servers of Synology and QNAP.
    "@eaDir",
    "#recycle",
    "#snapshot",
    "@Recycle",
    ".@__thumb",
    # The history of a folder under version control.
    ".git",
    # Locks of office programs and swap files of vi: a document that is open somewhere.
    "~$*",
    ".~lock.*#",
    ".*.sw[a-p]",
)
"""The default. Not in it are names that may be data as well: `*~`, `*.bak`, `*.tmp`, or every name that
begins with a dot.
"""


def is_ignored(path: str, patterns: Sequence[str]) -> bool:
    """Whether a path below a folder is passed over."""
    return any(fnmatchcase(part.lower(), pattern.lower()) for part in path.split("/") for pattern in patterns)
