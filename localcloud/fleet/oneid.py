"""Changing owners where only one user id exists: a system-call filter that lets ``chown`` and its kin succeed without doing anything.

An ordinary user's namespace maps one id, so package scripts that give a file to another user or group would fail. All files belong to
root there anyway. The same idea is used by Charliecloud ("root emulation with seccomp"). Numbers: the kernel's system-call tables.
"""

import platform
import struct

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _SUCCEED = 0x7FFF0000, 0x00050000  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with error 0
_CALLS: dict[str, tuple[int, tuple[int, ...]]] = {
    # chown fchown lchown fchownat, setgroups, set[re|res|fs]uid, set[re|res|fs]gid
    "x86_64": (0xC000003E, (92, 93, 94, 260, 116, 105, 106, 113, 114, 117, 119, 122, 123)),
    "aarch64": (0xC00000B7, (54, 55, 159, 143, 144, 145, 146, 147, 149, 151, 152)),
}


def program() -> bytes | None:
    """The filter as bubblewrap's ``--seccomp`` wants it, or None on a machine whose call numbers are not known here."""
    known = _CALLS.get(platform.machine())
    if known is None:
        return None
    architecture, calls = known
    lines = [(_LOAD, 0, 0, 4), (_EQUAL, 0, len(calls) + 1, architecture), (_LOAD, 0, 0, 0)]
    lines += [(_EQUAL, len(calls) - position, 0, number) for position, number in enumerate(calls)]
    lines += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _SUCCEED)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
