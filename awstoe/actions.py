"""Action modules and their inputs (user guide, "Action modules supported by AWSTOE component manager")."""

from __future__ import annotations

from dataclasses import dataclass

WINDOWS = frozenset({"ExecutePowerShell", "SetRegistry", "InstallMSI", "UninstallMSI"})

_INPUTS = """
ExecuteBash commands!
ExecuteBinary path! arguments
ExecuteDocument document! document-s3-bucket-owner phases parameters
S3Download + source! destination! expectedBucketOwner overwrite
S3Upload + source! destination! recurse expectedBucketOwner
WebDownload + source! destination! overwrite checksum algorithm ignoreCertificateErrors
AppendFile + path! content encoding
CreateFile + path! content encoding owner group permissions overwrite
CreateFolder + path! owner group permissions overwrite
CreateSymlink + path! target! force
CopyFile + source! destination! overwrite
CopyFolder + source! destination! overwrite
MoveFile + source! destination! overwrite
MoveFolder + source! destination! overwrite
DeleteFile + path!
DeleteFolder + path! force
ListFiles + path! fileNamePattern recursive
ReadFile + path! encoding printFileContent
SetFileEncoding + path! encoding
SetFileOwner + path! owner! group
SetFolderOwner + path! owner! group recursive
SetFilePermissions + path! permissions!
SetFolderPermissions + path! permissions! recursive
UpdateOS include exclude
Reboot delaySeconds
Assert *
"""
"""`!`: required; `+` first: inputs is a list of mappings; `*`: a condition in the place of inputs."""


@dataclass(frozen=True)
class Action:
    """`many`: inputs is a list of mappings, otherwise one mapping. `inputs` are all that it knows."""

    required: tuple[str, ...]
    inputs: frozenset[str]
    many: bool


def _action(words: list[str]) -> Action:
    names = [word for word in words if word not in "+*"]
    required = tuple(name[:-1] for name in names if name.endswith("!"))
    return Action(required, frozenset(name.rstrip("!") for name in names), words[:1] == ["+"])


ACTIONS: dict[str, Action] = {
    line.split()[0]: _action(line.split()[1:]) for line in _INPUTS.split("\n") if line
}
LISTS = frozenset({"commands", "arguments", "include", "exclude"})
"""Inputs that are lists of texts; `parameters` of ExecuteDocument is a list of names and values; every other
one is a text.
"""


def unknown_inputs(action: str, inputs: dict[str, object]) -> list[str]:
    """The inputs that an action does not know, sorted; none for Assert, whose inputs are a condition."""
    return [] if action == "Assert" else sorted(set(inputs) - ACTIONS[action].inputs)
