"""What is installed in an image, told by the build itself: a file in the image, and the same (with the disk's
use) in the build's log.

The log is where a client can read it without a further permission or bucket, also for a build that ended long
ago.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

PLACE = "/etc/neurocaas/manifest.tsv"
STEP = "neurocaas-manifest"

_PYTHON = (
    "import importlib.metadata as m,sys;"
    'rows={(d.metadata["Name"],d.version) for d in m.distributions() if d.metadata["Name"]};'
    '[print("pip:"+sys.argv[1],*row,sep="\\t") for row in sorted(rows)]'
)

# Never fails a build: what cannot be found out is left out. Environments are looked for where people put
# them, not below /usr.
SCRIPT = rf"""
export HOME=/root LC_ALL=C
umask 022
mkdir -p {PLACE.rpartition("/")[0]}
{{
  (. /etc/os-release; printf 'tool\tos\t%s\n' "$PRETTY_NAME")
  printf 'tool\tkernel\t%s\n' "$(uname -r)"
  printf 'tool\tbash\t%s\n' "$BASH_VERSION"
  for tool in python3 pip3 git gcc aws conda nvidia-smi; do
    command -v "$tool" > /dev/null && printf 'tool\t%s\t%s\n' "$tool" "$("$tool" --version 2>&1 < /dev/null | head -n 1)"
  done
  if command -v dpkg-query > /dev/null; then
    dpkg-query -W -f='${{db:Status-Status}}\tdpkg\t${{Package}}\t${{Version}}\n' | sed -n 's/^installed\t//p'
  else
    rpm -qa --qf 'rpm\t%{{NAME}}\t%{{VERSION}}-%{{RELEASE}}\n' | sort
  fi
  python3 -I -c '{_PYTHON}' system
  find /opt /srv /home /root /usr/local -xdev -maxdepth 6 -name pyvenv.cfg | sort | while read -r config; do
    "${{config%/*}}/bin/python" -I -c '{_PYTHON}' "${{config%/*}}"
  done
  find /opt /srv /home /root /usr/local -xdev -maxdepth 6 -type d -name conda-meta | sort | while read -r folder; do
    for file in "$folder"/*.json; do
      name=${{file##*/}}
      name=${{name%.json}}
      left=${{name%-*}}
      printf 'conda:%s\t%s\t%s\n' "${{folder%/*}}" "${{left%-*}}" "${{left##*-}}-${{name##*-}}"
    done
  done
}} > {PLACE} 2> /dev/null
{{
  cat {PLACE}
  printf 'disk\tused_kib\t%s\n' "$(df -k --output=used / | tail -n 1 | tr -d ' ')"
}} | gzip -9 -n | base64 -w 3000 | awk '{{print "{STEP} " NR " " $0}} END {{print "{STEP} end " NR}}'
exit 0
""".lstrip("\n")  # noqa: E501

_LINE = re.compile(rf"{STEP} (?P<number>\d+|end) (?P<rest>[A-Za-z0-9+/=]+)\s*$")


def is_manifest(line: str) -> bool:
    """Whether a line of a build's log is a piece of a manifest (of no use to a reader)."""
    return _LINE.search(line) is not None


@dataclass(frozen=True)
class Manifest:
    """`packages`: "dpkg", "pip:<environment>", "conda:<environment>" … -> name -> version. `tools`: program
    -> what it calls its version. `used_kib`: of the root file system when the build ended, None when it is
    not known."""

    packages: dict[str, dict[str, str]] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    used_kib: int | None = None

    @classmethod
    def parse(cls, text: str) -> Manifest:
        """Of the text of the file; lines that it does not understand are left out."""
        packages: dict[str, dict[str, str]] = {}
        tools: dict[str, str] = {}
        used = None
        for line in text.splitlines():
            kind, _, rest = line.partition("\t")
            name, _, value = rest.partition("\t")
            if kind == "tool":
                tools[name] = value
            elif kind == "disk":
                used = int(value) if name == "used_kib" and value.isdigit() else used
            elif name and value:
                packages.setdefault(kind, {})[name] = value
        return cls(packages, tools, used)


def from_log(lines: Iterable[str]) -> Manifest | None:
    """The first whole manifest in the lines of a log, in their order; None when there is none."""
    pieces: dict[int, str] = {}
    for line in lines:
        match = _LINE.search(line)
        if match is None:
            continue
        if match["number"] != "end":
            pieces[int(match["number"])] = match["rest"]
            continue
        if match["rest"].isdigit() and sorted(pieces) == list(range(1, int(match["rest"]) + 1)):
            try:
                packed = base64.b64decode("".join(pieces[number] for number in sorted(pieces)), validate=True)
                return Manifest.parse(gzip.decompress(packed).decode("utf-8", "replace"))
            except (binascii.Error, OSError, EOFError):
                pass
        pieces = {}
    return None


def differences(before: Manifest, after: Manifest) -> dict[str, dict[str, tuple[str | None, str | None]]]:
    """Kind -> package -> (version before, version after), only where they differ; None where the package is
    missing.
    """
    found = {}
    for kind in sorted({*before.packages, *after.packages}):
        old, new = before.packages.get(kind, {}), after.packages.get(kind, {})
        changed = {
            name: (old.get(name), new.get(name))
            for name in sorted({*old, *new})
            if old.get(name) != new.get(name)
        }
        if changed:
            found[kind] = changed
    return found
