"""The actions that work on files and folders. Each takes one mapping of its inputs (references resolved) and
returns its outputs.
"""

import grp
import os
import pwd
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Inputs = dict[str, Any]
Outputs = dict[str, str]
_ENCODINGS = {
    "utf8": "utf-8", "utf-8": "utf-8", "utf16": "utf-16-le", "utf-16": "utf-16-le", "utf16-le": "utf-16-le",
    "utf-16-le": "utf-16-le",
    "utf16-be": "utf-16-be", "utf-16-be": "utf-16-be", "utf32": "utf-32-le", "utf-32": "utf-32-le",
    "utf32-le": "utf-32-le",
    "utf-32-le": "utf-32-le",
    "utf32-be": "utf-32-be", "utf-32-be": "utf-32-be",
}  # fmt: skip


class ActionError(Exception):
    """The action failed; the text says why."""


def true(inputs: Inputs, key: str, default: str) -> bool:
    """A boolean input; documents write true and false as text."""
    return str(inputs.get(key, default)).lower() == "true"


def encoding(inputs: Inputs) -> str:
    """The Python name of an encoding input. Default: UTF-8."""
    name = str(inputs.get("encoding") or "utf8").lower()
    if name not in _ENCODINGS:
        raise ActionError(f"encoding {name!r} is none of {', '.join(_ENCODINGS)}")
    return _ENCODINGS[name]


def _permissions(text: str) -> int:
    try:
        return int(str(text), 8)
    except ValueError as error:
        raise ActionError(f"permissions {text!r} are not octal, like 0644") from error


def _own(path: Path, owner: str | None, group: str | None, *, follow: bool = False) -> None:
    if not owner and not group:
        return
    try:
        user = (pwd.getpwuid(int(owner)) if owner.isdigit() else pwd.getpwnam(owner)) if owner else None
        default = user.pw_gid if user else -1
        gid = (int(group) if group.isdigit() else grp.getgrnam(group).gr_gid) if group else default
    except KeyError as error:
        raise ActionError(f"no such owner or group: {owner or ''}:{group or ''}") from error
    os.chown(path, user.pw_uid if user else -1, gid, follow_symlinks=follow)


def _free(path: Path, inputs: Inputs) -> None:
    if path.exists() and not true(inputs, "overwrite", "true"):
        raise ActionError(f"{path} exists and overwrite is false")


def create_file(inputs: Inputs) -> Outputs:
    path = Path(inputs["path"])
    _free(path, inputs)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(str(inputs.get("content") or "").encode(encoding(inputs)))
    if inputs.get("permissions"):
        path.chmod(_permissions(inputs["permissions"]))
    _own(path, inputs.get("owner"), inputs.get("group"))
    return {}


def append_file(inputs: Inputs) -> Outputs:
    path = Path(inputs["path"])
    if not path.is_file():
        raise ActionError(f"{path} does not exist; AppendFile only appends")
    with path.open("ab") as file:
        file.write(str(inputs.get("content") or "").encode(encoding(inputs)))
    return {}


def create_folder(inputs: Inputs) -> Outputs:
    path = Path(inputs["path"])
    _free(path, inputs)
    path.mkdir(parents=True, exist_ok=True)
    if inputs.get("permissions"):
        path.chmod(_permissions(inputs["permissions"]))
    _own(path, inputs.get("owner"), inputs.get("group"))
    return {}


def create_symlink(inputs: Inputs) -> Outputs:
    path, target = Path(inputs["path"]), Path(inputs["target"])
    if path.exists() and not path.is_symlink():
        raise ActionError(f"{path} exists and is no symbolic link")
    if path.is_symlink() and not true(inputs, "force", "false"):
        raise ActionError(f"{path} exists and force is false")
    if not (target.exists() or (path.parent / target).exists()):
        raise ActionError(f"the target {target} does not exist")
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return {}


def fits(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern, in which `*` is the one sign that has a meaning."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None


def _matches(pattern: str, what: str, *, folders: bool = False) -> list[Path]:
    """The files, or the folders, that a path means; the last part of it may be a pattern."""
    folder, name = os.path.split(pattern.rstrip("/"))
    if "*" not in name:
        found = [Path(pattern)] if os.path.lexists(pattern) else []
    else:
        found = (
            sorted(Path(folder) / entry for entry in os.listdir(folder or ".") if fits(entry, name))
            if os.path.isdir(folder or ".")
            else []
        )
    found = [path for path in found if (path.is_dir() if folders else path.is_symlink() or path.is_file())]
    if not found:
        raise ActionError(f"no {'folder' if folders else 'file'} matches {what} {pattern}")
    return found


def _transfer(inputs: Inputs, act: Callable[[Path, Path], object], *, folders: bool = False) -> Outputs:
    """Give each source its place: below a destination that ends with `/` under its own name, else the
    destination itself.
    """
    target = Path(inputs["destination"])
    several = "*" in os.path.basename(inputs["source"].rstrip("/"))
    into = several or inputs["destination"].endswith("/") or (target.is_dir() and not folders)
    for source in _matches(inputs["source"], "source", folders=folders):
        place = target / source.name if into else target
        _free(place, inputs)
        place.parent.mkdir(parents=True, exist_ok=True)
        act(source, place)
    return {}


def copy_file(inputs: Inputs) -> Outputs:
    return _transfer(inputs, shutil.copy2)


def move_file(inputs: Inputs) -> Outputs:
    return _transfer(inputs, lambda source, place: shutil.move(str(source), str(place)))


def _copy_tree(source: Path, place: Path) -> None:
    shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True)


def _move_tree(source: Path, place: Path) -> None:
    if place.is_dir():
        _copy_tree(source, place)
        shutil.rmtree(source)
    else:
        shutil.move(str(source), str(place))


def copy_folder(inputs: Inputs) -> Outputs:
    return _transfer(inputs, _copy_tree, folders=True)


def move_folder(inputs: Inputs) -> Outputs:
    return _transfer(inputs, _move_tree, folders=True)


def delete_file(inputs: Inputs) -> Outputs:
    for path in _matches(inputs["path"], "path"):
        path.unlink()
    return {}


def delete_folder(inputs: Inputs) -> Outputs:
    path = Path(inputs["path"])
    if not path.is_dir():
        raise ActionError(f"the folder {path} does not exist")
    if true(inputs, "force", "false"):
        shutil.rmtree(path)
    else:
        path.rmdir()
    return {}


def list_files(inputs: Inputs) -> Outputs:
    folder, pattern = Path(inputs["path"]), str(inputs.get("fileNamePattern") or "*")
    if not folder.is_dir():
        raise ActionError(f"the folder {folder} does not exist")
    entries = folder.rglob("*") if true(inputs, "recursive", "false") else folder.iterdir()
    return {
        "files": ",".join(
            sorted(str(path) for path in entries if path.is_file() and fits(path.name, pattern))
        )
    }


def read_file(inputs: Inputs) -> Outputs:
    return {"content": Path(inputs["path"]).read_bytes().decode(encoding(inputs))}


def set_file_encoding(inputs: Inputs) -> Outputs:
    path = Path(inputs["path"])
    raw = path.read_bytes()
    for guess in ("utf-8", "utf-16", "latin-1"):
        try:
            text = raw.decode(guess)
            break
        except UnicodeDecodeError:
            continue
    path.write_bytes(text.encode(encoding(inputs)))
    return {}


def _existing(inputs: Inputs, *, folder: bool) -> Path:
    path = Path(inputs["path"])
    if not (path.is_dir() if folder else path.exists() and not path.is_dir()):
        raise ActionError(f"the {'folder' if folder else 'file'} {path} does not exist")
    return path


def set_file_owner(inputs: Inputs) -> Outputs:
    _own(_existing(inputs, folder=False), inputs["owner"], inputs.get("group"), follow=True)
    return {}


def set_folder_owner(inputs: Inputs) -> Outputs:
    path = _existing(inputs, folder=True)
    for each in [path, *(path.rglob("*") if true(inputs, "recursive", "true") else [])]:
        _own(each, inputs["owner"], inputs.get("group"))
    return {}


def set_file_permissions(inputs: Inputs) -> Outputs:
    _existing(inputs, folder=False).chmod(_permissions(inputs["permissions"]))
    return {}


def set_folder_permissions(inputs: Inputs) -> Outputs:
    path = _existing(inputs, folder=True)
    for each in [path, *(path.rglob("*") if true(inputs, "recursive", "true") else [])]:
        if not each.is_symlink():
            each.chmod(_permissions(inputs["permissions"]))
    return {}


FILE_ACTIONS: dict[str, Callable[[Inputs], Outputs]] = {
    "AppendFile": append_file,
    "CreateFile": create_file,
    "CreateFolder": create_folder,
    "CreateSymlink": create_symlink,
    "CopyFile": copy_file,
    "CopyFolder": copy_folder,
    "MoveFile": move_file,
    "MoveFolder": move_folder,
    "DeleteFile": delete_file,
    "DeleteFolder": delete_folder,
    "ListFiles": list_files,
    "ReadFile": read_file,
    "SetFileEncoding": set_file_encoding,
    "SetFileOwner": set_file_owner,
    "SetFolderOwner": set_folder_owner,
    "SetFilePermissions": set_file_permissions,
    "SetFolderPermissions": set_folder_permissions,
}
