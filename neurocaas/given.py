"""What the library is given, told in three parts where it is of another kind than is meant: a text is a list
of its letters to Python, and a path that is no list has no elements.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from neurocaas.errors import AnalysisError, raise_all
from neurocaas.protocol.problems import shown


def paths(value: Any, call: str) -> list[str]:
    """The paths of a list of them. `call`: the function that was called, for the message."""
    if isinstance(value, str | os.PathLike):
        path = os.fspath(value)
        example = path if isinstance(path, str) else "scan.nii"
        raise AnalysisError(
            f"{shown(value)}, which is one path, as the paths to {call}",
            "a list of paths",
            f"write {call}([{example!r}])",
        )
    every = _list(value, "paths", call)
    raise_all(
        [
            AnalysisError(
                f"{shown(one)} among the paths to {call}", "texts and paths", "name files and folders here"
            )
            for one in every
            if not isinstance(one, str | os.PathLike) or not isinstance(os.fspath(one), str)
        ][:5]
    )
    return [os.fspath(one) for one in every]


def keys(value: Any) -> list[str]:
    """The datasets of a submission: one key is a list of one."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, os.PathLike):
        raise _no_key(value)
    every = _list(value, "datasets", "submit")
    raise_all([_no_key(one) for one in every if not isinstance(one, str)][:5])
    return every


def _no_key(value: Any) -> AnalysisError:
    return AnalysisError(
        f"{shown(value)} as a dataset",
        "keys in the bucket, as upload() returns them, as text",
        "upload what is on this computer first: submit(upload([…]), …)",
    )


def _list(value: Any, what: str, call: str) -> list[Any]:
    if isinstance(value, bytes | bytearray | Mapping) or not isinstance(value, Iterable):
        raise AnalysisError(
            f"{shown(value)} as the {what} to {call}", f"a list of {what}", f"write {call}([…], …)"
        )
    return list(value)


def texts(**values: Any) -> list[AnalysisError]:
    """What is wrong with arguments that are texts."""
    return [
        AnalysisError(f"{name}={shown(value)}", "a text", "write it in quotes")
        for name, value in values.items()
        if not isinstance(value, str)
    ]


def optional_texts(**values: Any) -> list[AnalysisError]:
    """What is wrong with arguments that are texts or left out."""
    return [
        AnalysisError(f"{name}={shown(value)}", "a text, or None", "write it in quotes, or leave it out")
        for name, value in values.items()
        if value is not None and not isinstance(value, str)
    ]


def config(value: Any) -> list[AnalysisError]:
    """What is wrong with a config, as far as its kind goes."""
    if isinstance(value, str | os.PathLike | Mapping):
        return []
    return [
        AnalysisError(
            f"{shown(value)} as a config",
            "a mapping of parameters, a key in the bucket, or the path of a JSON or YAML file",
            "write the parameters as {…}; {} takes the analysis's defaults",
        )
    ]
