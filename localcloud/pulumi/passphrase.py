"""The passphrase of the local stacks, and whether a stack file's salt belongs to it.

The engine encrypts secrets with a key derived from a passphrase and a salt. The salt is kept in the stack
file (`Pulumi.<stack>.yaml`), in the project's folder; the passphrase is a file of our own. One passphrase
serves all local clouds of a checkout, since they share its stack files.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import secrets
from pathlib import Path

ITERATIONS = 1_000_000
"""Of PBKDF2-HMAC-SHA256, as in the engine (sdk/go/common/resource/config/crypt.go)."""
_SALT_LINE = re.compile(r"^encryptionsalt:[ \t]*(\S+)[ \t]*\n?", re.MULTILINE)


def ensure_passphrase(file: Path) -> str:
    """The passphrase in `file`; a random one (256 bits) is written there, readable by its owner only, if
    there is none.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    phrase = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(phrase)
    return phrase


def salt_in(text: str) -> str | None:
    """The salt in the text of a stack file."""
    found = _SALT_LINE.search(text)
    return found[1] if found else None


def without_salt(text: str) -> str:
    """The text of a stack file with its salt removed."""
    return _SALT_LINE.sub("", text)


def belongs(salt: str, phrase: str) -> bool:
    """Whether `salt` (`v1:<salt>:v1:<nonce>:<the word "pulumi", encrypted>`) was made with this passphrase.
    Takes about half a second.
    """
    from cryptography.exceptions import InvalidTag  # here: every command loads this module, few come here
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    parts = salt.split(":")
    if len(parts) != 5 or parts[0] != "v1" or parts[2] != "v1":
        return False
    try:
        raw, nonce, sealed = (base64.b64decode(parts[index], validate=True) for index in (1, 3, 4))
        key = hashlib.pbkdf2_hmac("sha256", phrase.encode(), raw, ITERATIONS, 32)
        return AESGCM(key).decrypt(nonce, sealed, None) == b"pulumi"
    except (InvalidTag, ValueError, binascii.Error):
        return False
