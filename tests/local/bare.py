"""A machine that lacks what this one happens to have: another user, an empty home, a PATH without some
programs, no namespaces.

Nothing is pretended to our code: programs are hidden by mounts of a namespace of the test's own, and
namespaces are refused by the kernel.
"""

from __future__ import annotations

import ctypes
import os
import platform
import pwd
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

SYSTEM = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")
"""Where the local cloud looks for programs, whatever the caller's PATH."""
_UNSHARE = {"x86_64": (0xC000003E, 272), "aarch64": (0xC00000B7, 97)}


def ordinary() -> tuple[int, int] | None:
    """Ids of a user who is not root: this one, else the system's `nobody`; None where there is none."""
    if os.geteuid() != 0:
        return os.getuid(), os.getgid()
    try:
        found = pwd.getpwnam("nobody")
    except KeyError:
        return None
    return found.pw_uid, found.pw_gid


@contextmanager
def folder(owner: tuple[int, int] | None) -> Iterator[Path]:
    """A folder that others may enter, unlike those of pytest, and that `owner` has."""
    with tempfile.TemporaryDirectory(prefix="bare-", dir=_quick(), ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        if owner is not None and os.geteuid() == 0:
            os.chown(name, *owner)
        yield Path(name)


def _quick() -> str | None:
    """Memory, where files in it can have the attributes that sandboxes want: the thousands of folders of a
    base take a minute on a disk.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="bare-", dir="/dev/shm") as name:
            os.setxattr(name, "user.bare", b"y")
    except OSError:
        return None
    return "/dev/shm"


def give(path: Path, owner: tuple[int, int]) -> None:
    """Make a tree the user's."""
    if os.geteuid() == 0:
        for one in (path, *path.rglob("*")):
            os.chown(one, *owner, follow_symlinks=False)


def programs(place: Path, *lacking: str) -> str:
    """A PATH of one folder: links to all programs of the system but those that are to be lacking."""
    place.mkdir()
    for name in reversed(SYSTEM):
        for program in Path(name).iterdir():
            link = place / program.name
            link.unlink(missing_ok=True)
            if program.name not in lacking:
                link.symlink_to(program)
    return str(place)


def python_for_others() -> str | None:
    """A Python of 3.11 or later with its pip that every user can run."""
    check = "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        for place in SYSTEM:
            found = f"{place}/{name}"
            if (
                os.access(found, os.X_OK)
                and subprocess.run([found, "-c", check], capture_output=True, check=False).returncode == 0
            ):
                return found
    return None


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    user: tuple[int, int] | None = None,
    namespaces: bool = True,
    umask: int = 0o022,
) -> subprocess.CompletedProcess[str]:
    """Run a command with this environment and no other variable; as `user`, and, on demand, in a process that
    may make no namespaces or whose files are private."""
    other = user is not None and os.geteuid() == 0
    return subprocess.run(
        command,
        cwd=cwd,
        env=dict(environ),
        user=user[0] if other and user else None,
        group=user[1] if other and user else None,
        extra_groups=[] if other else None,
        umask=umask,
        preexec_fn=None if namespaces else refuse_namespaces,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def can_refuse_namespaces() -> bool:
    return platform.machine() in _UNSHARE


def refuse_namespaces() -> None:
    """Let the kernel answer `unshare` with EPERM, in this process and all that it starts: what containers do
    by default.
    """
    architecture, call = _UNSHARE[platform.machine()]
    load, equal, leave = 0x20, 0x15, 0x06
    lines = [
        (load, 0, 0, 4),
        (equal, 0, 3, architecture),
        (load, 0, 0, 0),
        (equal, 0, 1, call),
        (leave, 0, 0, 0x00050001),
    ]
    text = b"".join(struct.pack("HBBI", *line) for line in [*lines, (leave, 0, 0, 0x7FFF0000)])
    kept = ctypes.create_string_buffer(text, len(text))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(text) // 8, ctypes.cast(kept, ctypes.c_void_p))
    # no new privileges; a filter of system calls
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "no filter")


def without(program: str, user: tuple[int, int], scratch: Path, needed: Sequence[Path]) -> list[str]:
    """What comes before a command so that it runs as `user` on a system that has no such program, where
    `needed` can be read by everybody.

    The system's programs are laid over by a folder in which it is a file that nobody can execute. Folders
    that are closed to others (a Python below /root) are laid over by empty ones in which only what is needed
    is to be seen. All in a mount namespace, which ends with the command.
    """
    upper, work, kept = scratch / "upper", scratch / "work", scratch / "kept"
    for made in (upper, work, kept):
        made.mkdir(mode=0o755)
    root = os.geteuid() == 0
    options = f"lowerdir=/usr,upperdir={upper},workdir={work}{'' if root else ',userxattr'}"
    lines = [
        "set -e",
        "given=$(umask)",
        "umask 022",
        f"mount -t overlay overlay -o {shlex.quote(options)} /usr",
    ]
    for place in SYSTEM:
        if Path(place, program).exists():
            hidden = upper / Path(place).resolve().relative_to("/usr") / program
            hidden.parent.mkdir(parents=True, exist_ok=True)
            hidden.touch(0o644)
    if root:
        lines += _opened(needed, kept)
        become = (
            f"exec setpriv --reuid={user[0]} --regid={user[1]} --clear-groups --inh-caps=-all -- " + '"$@"'
        )
    else:
        become = f"exec unshare --user --map-user={user[0]} --map-group={user[1]} -- " + '"$@"'
    begin = ["unshare", "--mount"] if root else ["unshare", "--user", "--map-root-user", "--mount"]
    return [*begin, "sh", "-c", "\n".join([*lines, 'umask "$given"', become]), "sh"]


def _opened(needed: Sequence[Path], kept: Path) -> list[str]:
    closed: dict[Path, list[Path]] = {}
    for path in needed:
        above = next((one for one in reversed(path.parents) if not one.stat().st_mode & 0o001), None)
        if above is not None:
            closed.setdefault(above, []).append(path)
    lines = []
    for number, (above, paths) in enumerate(closed.items()):
        places = [kept / f"{number}-{index}" for index in range(len(paths))]
        for path, place in zip(paths, places, strict=True):
            lines.append(f"mkdir -p {place}; mount --bind {shlex.quote(str(path))} {place}")
        lines.append(f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(above))}")
        for path, place in zip(paths, places, strict=True):
            lines.append(f"mkdir -p {shlex.quote(str(path))}; mount --bind {place} {shlex.quote(str(path))}")
    return lines


def works(prefix: Sequence[str]) -> str | None:
    """Why a prefix of `without` cannot be used here, or None."""
    if shutil.which("unshare") is None:
        return "there is no unshare"
    done = subprocess.run(
        [*prefix, sys.executable, "-c", "pass"], capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else done.stderr.strip()
