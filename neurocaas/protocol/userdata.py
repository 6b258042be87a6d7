"""The user data of a machine: fetch the code, run one dataset, switch off.

The script has to work before anything of ours is on the machine, so it needs only bash and Python, and
carries `boot.py` (standard library, its own request signing). It takes the first Python of the image that is
new enough (3.10), else the first that can at least say that none is; where none works, the console log says
so. It needs no disk: bash would keep `boot.py` in a file of /tmp. One user data serves every machine of a
RunInstances call: a machine takes the dataset `offset + ami-launch-index` of the job.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

USER_DATA_MAX_BYTES = 16384
"""Limit of EC2 before base64 (EC2 user guide, "Run commands when you launch an EC2 instance")."""

_MARKER = "NEUROCAAS_BOOT"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FIND = r"""export HOME="${HOME:-/root}"
[ ! -w /dev/shm ] || TMPDIR=/dev/shm
python=
for program in python3 /usr/bin/python3 /usr/local/bin/python3 /usr/bin/python3.[1-9][0-9] /usr/local/bin/python3.[1-9][0-9] \
  /opt/*/bin/python3 /home/ubuntu/*/bin/python3 /usr/libexec/platform-python; do
  version=$("$program" -E -s -c 'import hashlib, ssl, sys; print("%d%02d" % sys.version_info[:2])' 2>/dev/null) || continue
  [ "$version" -ge 306 ] || continue
  [ -n "$python" ] || python=$program
  [ "$version" -lt 310 ] || { python=$program; break; }
done
[ -n "$python" ] || echo "NeuroCAAS: no python3 of this image works: nothing is run or reported. Install 3.10 or newer in provision/" >&2"""  # noqa: E501

_SCRIPT = """\
#!/bin/bash
# NeuroCAAS: this machine runs one dataset of {job} and then ends, whatever happens.
trap 'shutdown -h now || /sbin/shutdown -h now || poweroff -f' EXIT
{find}
"$python" -E -s - {payload} <<'{marker}'
{boot}
{marker}
"""

_DEBUG_SCRIPT = """\
#!/bin/sh
# NeuroCAAS: runs the datasets of {job} one after another; the machine stays up.
{find}
status=0
for payload in {payloads}; do
"$python" -E -s - "$payload" <<'{marker}' || status=$?
{boot}
{marker}
done
exit $status
"""


class CodeLocation(Protocol):
    """Where the code archive lies: a .tar.gz whose SHA-256 (64 hex digits) is `sha256`."""

    @property
    def bucket(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True)
class UserDataPayload:
    """What a machine is told. `job_key` is the key of job.json in `bucket`; `offset` the index of the first
    dataset of this launch (>= 0); `attempt` counts launches of the same dataset, from 1. `account`: whose the
    buckets are, "" where it is not said."""

    bucket: str
    job_key: str
    code: CodeLocation
    offset: int = 0
    attempt: int = 1
    account: str = ""

    def to_json(self) -> str:
        """One line of ASCII."""
        code = {"bucket": self.code.bucket, "key": self.code.key, "sha256": self.code.sha256}
        document = {
            "bucket": self.bucket,
            "job_key": self.job_key,
            "code": code,
            "offset": self.offset,
            "attempt": self.attempt,
            "account": self.account,
        }
        return json.dumps(document, separators=(",", ":"))


def user_data(payload: UserDataPayload) -> str:
    """The script for `payload` (text; RunInstances wants it base64-encoded, boto3 does that itself for
    RunInstances but not for launch templates). The same payload gives the same text. Raises ValueError when
    the digest is not one, or when the text would exceed EC2's 16 KiB (the job key is the only part of
    variable length)."""
    if not _SHA256.fullmatch(payload.code.sha256):
        raise ValueError(f"code.sha256 is {payload.code.sha256!r}, not 64 hex digits")
    if payload.offset < 0 or payload.attempt < 1:
        raise ValueError(f"offset {payload.offset} must be >= 0 and attempt {payload.attempt} >= 1")
    words = {"job": json.dumps(payload.job_key), "payload": shlex.quote(payload.to_json())}
    text = _SCRIPT.format(**words, find=_FIND, marker=_MARKER, boot=_boot())
    if len(text.encode()) > USER_DATA_MAX_BYTES:
        raise ValueError(
            f"user data has {len(text.encode())} bytes, EC2 takes {USER_DATA_MAX_BYTES}: the "
            "job key is too long"
        )
    return text


def debug_script(payload: UserDataPayload, datasets: int) -> str:
    """The same for a machine that is up already and stays up (a development instance): a POSIX shell script
    that runs the first `datasets` datasets of a job one after another. Its exit status is that of the last
    one that failed, else 0."""
    payloads = " ".join(shlex.quote(replace(payload, offset=number).to_json()) for number in range(datasets))
    return _DEBUG_SCRIPT.format(
        job=json.dumps(payload.job_key), payloads=payloads, find=_FIND, marker=_MARKER, boot=_boot()
    )


def _boot() -> str:
    return Path(__file__).with_name("boot.py").read_text(encoding="utf-8").rstrip("\n")
