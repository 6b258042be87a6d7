"""Provisioning scripts as AWSTOE component documents, and the recipe that they make up.

Two documents per analysis: phases `build` and `validate`, and a document with `test` only (Image Builder
calls a document with the single phase `test` a test component). Scripts run as they were written: in a file
of their own name, so `$0` and line numbers are theirs, by the interpreter of their `#!` line. AWSTOE itself
runs plain `bash`: no `-e`, no HOME (EC2 Image Builder user guide, "ExecuteBash"); the preamble below makes
bash strict and names the line that failed on stderr: `::error file=10-packages.sh,line=7::pip install
nonesuch`. The last step of the build phase writes down what is installed (`image_builder.manifest`).
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

from blueprints.provision import Provision, Script
from image_builder import golden, manifest
from image_builder.versions import GENERATOR, content_version, safe_name

SCRIPT_LIMIT = 12_000
"""Characters of the scripts of a document that carries them itself. Above that they travel through S3, with a
digest.
"""

INLINE_LIMIT = 15_800
"""Characters of such a document (Image Builder takes 16,000): many short lines reach it earlier, for each is
indented.
"""

STEP_TIMEOUT_SECONDS = 7200
"""Longest time of one script (AWSTOE's own default, written down)."""

_KINDS = {"build": ("build", "validate"), "test": ("test",)}
_UNSAFE = re.compile(r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029]|\{\{")
# What YAML would not carry unchanged in a block scalar, and `{{`, which AWSTOE takes for a reference.

_ENVIRONMENT = "export HOME=/root DEBIAN_FRONTEND=noninteractive PIP_NO_INPUT=1"

# Sourced by bash through BASH_ENV before a script's first line. Unset at once, so that programs the script
# starts stay as they are.
_TRAP = r"""
unset BASH_ENV
trap 'printf "::error file=%s,line=%s::%s\n" "${BASH_SOURCE[0]#./}" "$LINENO" "${BASH_COMMAND//$'"'"'\n'"'"'/ }" >&2' ERR
""".strip("\n")  # noqa: E501


@dataclass(frozen=True)
class Archive:
    """A tar.gz of `provision/` in S3: where, and the digest that is checked before anything of it runs."""

    bucket: str
    key: str
    sha256: str


@dataclass(frozen=True)
class TestedStack:
    """Where a stack tells about itself, for the golden test: the artifact bucket, and the key of the stack's
    settings in it.
    """

    bucket: str
    settings: str = "settings.json"


@dataclass(frozen=True)
class ComponentDocument:
    """One component document. `kind` is "build" or "test"; `data` is the YAML text; equal content has an
    equal version.
    """

    kind: str
    name: str
    description: str
    data: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data.encode()).hexdigest()

    @property
    def version(self) -> str:
        return content_version(self.sha256)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what an image contains, apart from what the parent and the package servers give
    on the day.
    """

    analysis: str
    parent: str
    volume_gib: int
    documents: tuple[ComponentDocument, ...]

    @property
    def sha256(self) -> str:
        parts = {
            "generator": GENERATOR,
            "parent": self.parent,
            "volume_gib": self.volume_gib,
            "documents": [[document.kind, document.sha256] for document in self.documents],
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def version(self) -> str:
        return content_version(self.sha256)


def needs_archive(provision: Provision) -> bool:
    """Whether the scripts must travel through S3: too large, with files beside them, or with characters that
    YAML would change.
    """
    if provision.extra_files or any(_UNSAFE.search(script.text) for script in provision.scripts):
        return True
    for phases in _KINDS.values():
        if sum(len(script.text) for script in provision.scripts if script.phase in phases) > SCRIPT_LIMIT:
            return True
    stack = TestedStack("b" * 63, f"analyses/{'s' * 63}/settings.json") if provision.golden else None
    return any(
        len(document.data) > INLINE_LIMIT for document in _documents("any-analysis", provision, None, stack)
    )


def compile_documents(
    analysis: str, provision: Provision, archive: Archive | None = None, stack: TestedStack | None = None
) -> tuple[ComponentDocument, ...]:
    """The component documents of a recording, one or two; none when there is no script.

    `archive` must be given when `needs_archive` says so (ValueError otherwise), and is not used when it says
    no. Without a `stack` there is no golden test.
    """
    if not needs_archive(provision):
        archive = None
    elif archive is None:
        raise ValueError(f"the scripts of {analysis} need an archive in S3")
    return _documents(analysis, provision, archive, stack if provision.golden else None)


def _documents(
    analysis: str, provision: Provision, archive: Archive | None, stack: TestedStack | None = None
) -> tuple[ComponentDocument, ...]:
    documents = []
    for kind, phases in _KINDS.items():
        steps = {phase: [script for script in provision.scripts if script.phase == phase] for phase in phases}
        steps = {phase: scripts for phase, scripts in steps.items() if scripts or (phase == "test" and stack)}
        if steps:
            description = f"{'Builds and validates' if kind == 'build' else 'Tests'} the image of {analysis}"
            name = safe_name(f"{analysis}-{kind}")
            documents.append(
                ComponentDocument(kind, name, description, _emit(name, description, steps, archive, stack))
            )
    return tuple(documents)


def _emit(
    name: str,
    description: str,
    phases: dict[str, list[Script]],
    archive: Archive | None,
    stack: TestedStack | None,
) -> str:
    lines = [
        f"name: {json.dumps(name)}",
        f"description: {json.dumps(description)}",
        "schemaVersion: 1.0",
        "phases:",
    ]
    for number, (phase, scripts) in enumerate(phases.items()):
        lines += [f"  - name: {json.dumps(phase)}", "    steps:"]
        if archive and number == 0 and scripts:  # later phases of a document run on the same machine
            lines += _fetch(archive)
        used: set[str] = {manifest.STEP, *golden.STEPS}
        for script in scripts:
            step = safe_name(script.name.removesuffix(".sh"))
            while step in used:
                step += "-again"
            used.add(step)
            lines += _bash(step, _run(script, archive))
        if number == 0 and phase != "test":
            lines += _bash(manifest.STEP, manifest.SCRIPT)
        if phase == "test" and stack:
            lines += _golden(stack)
    return "\n".join(lines) + "\n"


def _bash(step: str, commands: str) -> list[str]:
    head = [
        f"      - name: {json.dumps(step)}",
        '        action: "ExecuteBash"',
        f"        timeoutSeconds: {STEP_TIMEOUT_SECONDS}",
        '        onFailure: "Abort"',
        "        inputs:",
        "          commands:",
        "            - |",
    ]
    return head + [f"              {line}" if line else "" for line in commands.rstrip("\n").split("\n")]


def _folder(archive: Archive) -> str:
    return f"/tmp/neurocaas-provision-{archive.sha256[:16]}"  # noqa: S108  (Image Builder empties /tmp before the snapshot)


def _download(step: str, source: str, destination: str) -> list[str]:
    return [
        f"      - name: {json.dumps(step)}",
        '        action: "S3Download"',
        "        maxAttempts: 3",
        "        inputs:",
        f"          - source: {json.dumps(source)}",
        f"            destination: {json.dumps(destination)}",
    ]


def _golden(stack: TestedStack) -> list[str]:
    folder = golden.MACHINE_FOLDER
    prepare, download, unpack, settings, code, fetch, check = golden.STEPS
    return [
        *_bash(prepare, f"set -eu\numask 022\nrm -rf {folder}\nmkdir -m 0755 {folder}\n"),
        *_download(
            download, f"s3://{stack.bucket}/{golden.key_beside(stack.settings)}", f"{folder}/{golden.ARCHIVE}"
        ),
        *_bash(unpack, f"set -eu\numask 022\ncd {folder}\ntar --no-same-owner -xzf {golden.ARCHIVE}\n"),
        *_download(settings, f"s3://{stack.bucket}/{stack.settings}", f"{folder}/settings.json"),
        *_bash(code, golden.code_commands(folder)),
        *_download(fetch, f"{{{{ test.{code}.outputs.stdout }}}}", f"{folder}/code.tar.gz"),
        *_bash(check, golden.check_commands(folder)),
    ]


def _fetch(archive: Archive) -> list[str]:
    folder = _folder(archive)
    prepare = f"set -Eeuo pipefail\numask 022\nrm -rf {folder}\nmkdir -m 0755 {folder}\n"
    unpack = (
        f"set -Eeuo pipefail\numask 022\ncd {folder}\n"
        f"echo '{archive.sha256}  provision.tar.gz' | sha256sum --check --strict\n"
        "tar --no-same-owner -xzf provision.tar.gz\nrm provision.tar.gz\n"
    )
    download = _download("download", f"s3://{archive.bucket}/{archive.key}", f"{folder}/provision.tar.gz")
    return [*_bash("prepare", prepare), *download, *_bash("unpack", unpack)]


def _run(script: Script, archive: Archive | None) -> str:
    """The commands of one step: put the script in place, run it in its folder, say how it ended."""
    lines = [
        "set -Eeuo pipefail",
        _ENVIRONMENT,
        "umask 022",
        "work=$(mktemp -d)",
        "trap 'rm -rf \"$work\"' EXIT",
    ]
    if archive:
        lines.append(f"cd {_folder(archive)}")
    else:
        marker = f"END-{hashlib.sha256(script.text.encode()).hexdigest()[:24]}"
        lines += ['mkdir "$work/provision"', 'cd "$work/provision"']
        if "/" in script.path:
            lines.append(f"mkdir {script.path.rpartition('/')[0]}")
        lines += [
            f"cat > {_quote(script.path)} <<'{marker}'",
            *script.text.removesuffix("\n").split("\n"),
            marker,
        ]
    lines.append(f"chmod 0755 {_quote(script.path)}")
    if script.interpreter is None:
        lines += ["cat > \"$work/trap\" <<'END-TRAP'", *_TRAP.split("\n"), "END-TRAP"]
        start = f'BASH_ENV="$work/trap" bash -Eeuo pipefail {_quote("./" + script.path)}'
    else:
        start = _quote("./" + script.path)
    lines += [
        "status=0",
        f"{start} || status=$?",
        'if [ "$status" -ne 0 ] && [ "$status" -ne 194 ]; then',  # 194: reboot, and run this step again
        f"  printf '::error file=%s::ended with exit status %s\\n' {_quote(script.path)} \"$status\" >&2",
        "fi",
        'exit "$status"',
    ]
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
