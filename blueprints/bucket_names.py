"""What the bucket of an analysis is called when its blueprint does not say it. Names of buckets are unique in
all of AWS (S3 user guide, "General purpose bucket naming rules"), and `dti` or `spikes` were taken long ago.

A name is `<analysis>-<digest>-<stage>`. The digest is of account, region and analysis, so the same stage has
the same name at every deploy, and no other account or analysis has it by accident. All stages of an analysis
have one beginning, and no other analysis has it: a policy can name those to come by one pattern.
"""

from __future__ import annotations

import base64
import hashlib

from blueprints.model import Stage

LENGTH = 63
"""Characters that S3 allows, and the least is 3."""

_DIGEST = 10
"""Characters of five bits each: 2**50 names for each analysis."""

_RESERVED = ("xn--", "sthree-", "amzn-s3-demo-")
"""Beginnings that S3 keeps for itself. What it keeps of endings ("-s3alias", "--ol-s3", "--x-s3", …) is the
name of no stage."""

_ROOM = LENGTH - _DIGEST - max(map(len, Stage)) - len("nc---")


def default_name(analysis: str, stage: Stage | str, account: str, region: str) -> str:
    """The name of the stage's bucket in that account and region."""
    return f"{_beginning(analysis, account, region)}{Stage(stage)}"


def default_pattern(analysis: str, account: str, region: str) -> str:
    """What the default names of all stages of the analysis match, and of no other analysis."""
    return f"{_beginning(analysis, account, region)}*"


def _beginning(analysis: str, account: str, region: str) -> str:
    digest = hashlib.sha256(f"{account}/{region}/{analysis}".encode()).digest()
    told = base64.b32encode(digest).decode().lower()[:_DIGEST]
    name = f"nc-{analysis}" if analysis.startswith(_RESERVED) else analysis
    return f"{name[:_ROOM].rstrip('-')}-{told}-"
