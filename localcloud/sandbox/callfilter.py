"""System calls that are answered without being done, in a sandbox.

*Keyrings* (``add_key``, ``request_key``, ``keyctl``): the kernel keeps one for each user id of the host, not
of a sandbox, so they do not exist there, as in containers.

*Changing owners* where only one user id exists: an ordinary user's namespace maps one id, so package scripts
that give a file to another user or group would fail. All files belong to root there anyway, so ``chown`` and
its kin succeed without doing anything. The same idea is used by Charliecloud ("root emulation with seccomp").
Numbers: the kernel's system-call tables.
"""

import platform
import struct

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO, to which the error is added
_SUCCEED, _NO_SUCH_CALL = _ERRNO, _ERRNO + 38
_X32 = 0x40000000
"""A processor of x86-64 knows each call under a second number from here on."""

_KEYRINGS: dict[str, dict[int, tuple[int, ...]]] = {  # by the way that a program calls: 64 and 32 bits
    "x86_64": {0xC000003E: (248, 249, 250), 0x40000003: (286, 287, 288)},
    "aarch64": {0xC00000B7: (217, 218, 219), 0x40000028: (309, 310, 311)},
}
_OWNERS: dict[str, dict[int, tuple[int, ...]]] = {
    # chown fchown lchown fchownat, setgroups, set[re|res|fs]uid, set[re|res|fs]gid
    "x86_64": {0xC000003E: (92, 93, 94, 260, 116, 105, 106, 113, 114, 117, 119, 122, 123)},
    "aarch64": {0xC00000B7: (54, 55, 159, 143, 144, 145, 146, 147, 149, 151, 152)},
}

_Line = tuple[int, int, int, int]


def program(*, one_id: bool) -> bytes | None:
    """The filter as bubblewrap's ``--seccomp`` wants it, or None on a machine whose call numbers are not
    known here.
    """
    machine = platform.machine()
    if machine not in _KEYRINGS:
        return None
    lines: list[_Line] = [(_LOAD, 0, 0, 4)]
    for way, keyrings in _KEYRINGS[machine].items():
        block: list[_Line] = [(_LOAD, 0, 0, 0)]
        if way == 0xC000003E:
            block += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _NO_SUCH_CALL)]
        block += _answer(keyrings, _NO_SUCH_CALL)
        block += _answer(_OWNERS[machine].get(way, ()) if one_id else (), _SUCCEED)
        block += [(_RETURN, 0, 0, _ALLOW)]
        lines += [(_EQUAL, 0, len(block), way), *block]
    lines += [(_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _answer(calls: tuple[int, ...], answer: int) -> list[_Line]:
    """Lines that return ``answer`` for these calls, and go on for others."""
    return [line for number in calls for line in ((_EQUAL, 0, 1, number), (_RETURN, 0, 0, answer))]
