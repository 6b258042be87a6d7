"""The action modules: names and inputs. What they do is in ``files``, ``transfer`` and ``runner``."""

from dataclasses import dataclass

WINDOWS_ACTIONS = frozenset({"ExecutePowerShell", "SetRegistry", "InstallMSI", "UninstallMSI"})


@dataclass(frozen=True)
class Action:
    """``many``: inputs is a list of mappings, otherwise one mapping."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    many: bool = True


ACTIONS: dict[str, Action] = {
    "ExecuteBash": Action(("commands",), many=False),
    "ExecuteBinary": Action(("path",), ("arguments",), many=False),
    "ExecuteDocument": Action(
        ("document",), ("document-s3-bucket-owner", "phases", "parameters"), many=False
    ),
    "Assert": Action((), ("any one condition",), many=False),
    "Reboot": Action((), ("delaySeconds",), many=False),
    "UpdateOS": Action((), ("include", "exclude"), many=False),
    "S3Download": Action(("source", "destination"), ("expectedBucketOwner", "overwrite")),
    "S3Upload": Action(("source", "destination"), ("recurse", "expectedBucketOwner")),
    "WebDownload": Action(
        ("source", "destination"), ("overwrite", "checksum", "algorithm", "ignoreCertificateErrors")
    ),
    "AppendFile": Action(("path",), ("content", "encoding")),
    "CreateFile": Action(("path",), ("content", "encoding", "owner", "group", "permissions", "overwrite")),
    "CreateFolder": Action(("path",), ("owner", "group", "permissions", "overwrite")),
    "CreateSymlink": Action(("path", "target"), ("force",)),
    "CopyFile": Action(("source", "destination"), ("overwrite",)),
    "CopyFolder": Action(("source", "destination"), ("overwrite",)),
    "MoveFile": Action(("source", "destination"), ("overwrite",)),
    "MoveFolder": Action(("source", "destination"), ("overwrite",)),
    "DeleteFile": Action(("path",)),
    "DeleteFolder": Action(("path",), ("force",)),
    "ListFiles": Action(("path",), ("fileNamePattern", "recursive")),
    "ReadFile": Action(("path",), ("encoding", "printFileContent")),
    "SetFileEncoding": Action(("path",), ("encoding",)),
    "SetFileOwner": Action(("path", "owner"), ("group",)),
    "SetFolderOwner": Action(("path", "owner"), ("group", "recursive")),
    "SetFilePermissions": Action(("path", "permissions")),
    "SetFolderPermissions": Action(("path", "permissions"), ("recursive",)),
}

LISTS = {
    "commands": "a list of texts",
    "arguments": "a list of texts",
    "include": "a list of texts",
    "exclude": "a list of texts",
    "parameters": "a list of names and values",
}
"""Inputs that are lists; every other one is a text."""
