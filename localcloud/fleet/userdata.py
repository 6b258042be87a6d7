"""User data as cloud-init understands it: what is to be run, in order (source: cloud-init documentation,
"User data formats").
"""

import email
import email.message
import email.policy
import gzip
import zlib
from dataclasses import dataclass

MAXIMUM_UNPACKED = 4 << 20


@dataclass(frozen=True)
class Part:
    """A script to run. ``name`` is a file name."""

    name: str
    script: bytes


@dataclass(frozen=True)
class UserData:
    """The scripts of user data, and a console line for each thing that is not run."""

    parts: tuple[Part, ...]
    warnings: tuple[str, ...]


def parse(raw: bytes) -> UserData:
    """Read user data: a ``#!`` script, gzip of one, or MIME multi-part with ``text/x-shellscript`` parts.
    Never raises.
    """
    try:
        raw = _unpacked(raw)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        return UserData((), (f"user data looks like gzip and cannot be unpacked: {error}",))
    if not raw.strip():
        return UserData((), ())
    head = raw.lstrip()[:400].lower()
    if head.startswith((b"content-type: multipart", b"mime-version:")):
        return _multipart(raw)
    return _plain(raw, "part-001")


def _unpacked(raw: bytes) -> bytes:
    if raw[:2] != b"\x1f\x8b":
        return raw
    unpacked = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(raw, MAXIMUM_UNPACKED + 1)
    if len(unpacked) > MAXIMUM_UNPACKED:
        raise ValueError("more than 4 MiB unpacked")
    return gzip.decompress(raw)


def _plain(raw: bytes, name: str) -> UserData:
    if raw.startswith(b"#!"):
        return UserData((Part(name, raw),), ())
    kind = raw.split(b"\n", 1)[0][:60].decode(errors="replace").strip()
    return UserData(
        (),
        (
            f"Unhandled non-multipart (text/x-not-multipart) userdata: {kind!r}. The local cloud runs "
            "scripts that start with "
            "#! and MIME parts of type text/x-shellscript.",
        ),
    )


def _multipart(raw: bytes) -> UserData:
    message = email.message_from_bytes(raw.lstrip(), policy=email.policy.default)
    parts: list[Part] = []
    warnings: list[str] = []
    for number, part in enumerate((part for part in message.walk() if not part.is_multipart()), 1):
        payload = part.get_payload(decode=True)
        content = payload if isinstance(payload, bytes) else b""
        kind = part.get_content_type()
        if kind in (
            "text/x-shellscript",
            "text/x-shellscript-per-boot",
            "text/x-shellscript-per-instance",
            "text/x-shellscript-per-once",
        ) or (kind in ("text/plain", "application/octet-stream") and content.startswith(b"#!")):
            parts.append(Part(f"part-{number:03d}", content))
        else:
            warnings.append(f"part {number} of user data has type {kind}, which the local cloud does not run")
    return UserData(tuple(parts), tuple(warnings))
