"""The words of AWSTOE's language: action modules with their inputs, and operators of conditions.

Source: EC2 Image Builder user guide, "Action modules supported by AWSTOE component manager", "Comparison
operators", "Logical operators".
"""

from __future__ import annotations

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

ACTIONS: dict[str, tuple[str, ...]] = {
    line.split()[0]: tuple(line.split()[1:]) for line in _INPUTS.split("\n") if line
}
"""Action -> its inputs as written above: `!` required, `+` first: inputs is a list of mappings, `*`: any."""

_ALONE = "stringIsEmpty stringIsWhitespace binaryExists fileExists folderExists"
_WITH_VALUE = """
stringEquals stringLessThan stringLessThanEquals stringGreaterThan stringGreaterThanEquals patternMatches
numberEquals numberLessThan numberLessThanEquals numberGreaterThan numberGreaterThanEquals
"""
_WITH_PATH = "fileMD5Equals fileSHA1Equals fileSHA256Equals fileSHA512Equals"
BESIDE = dict.fromkeys(_WITH_VALUE.split(), "value") | dict.fromkeys(_WITH_PATH.split(), "path")
"""Operator -> the key that it needs beside it."""
OPERATORS = frozenset({"and", "or", "not", *_ALONE.split(), *BESIDE})
CONTEXT = frozenset({"executionId", "accountId", "region", "osPlatform", "osName", "osVersion", "date",
    "dateTime", "uuid", "hostname",
                     "phase", "step"})  # fmt: skip
"""Keys of `{{ context:… }}`."""
CONDITION_DEPTH = 4
"""How deep and, or, not may be nested."""
DELIMITERS = frozenset({".", ",", ";", ":", "\\n", "\\t", "\n", "\t", "space", " ", "-", "_"})
"""What may stand between the values of a loop's list."""


LISTS = frozenset({"commands", "arguments", "include", "exclude"})
"""Inputs that are lists of texts; `parameters` of ExecuteDocument is a list of names and values; every other
one is a text.
"""


def takes_a_list(action: str) -> bool:
    return ACTIONS[action][:1] == ("+",)


def required(action: str) -> tuple[str, ...]:
    return tuple(name[:-1] for name in ACTIONS[action] if name.endswith("!"))


def known(action: str) -> frozenset[str] | None:
    """All inputs of an action; None: any."""
    names = frozenset(name.rstrip("!") for name in ACTIONS[action] if name != "+")
    return None if "*" in names else names
