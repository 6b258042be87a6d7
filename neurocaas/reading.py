"""Results as values: a JSON file as what it says, a table as a data frame, an image as a notebook shows it,
without a folder for them. For files of moderate size: what is larger than a limit is not read, and said.
"""

from __future__ import annotations

import hashlib
import io
import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from neurocaas import given
from neurocaas.bucket import Bucket
from neurocaas.errors import AnalysisError, raise_all
from neurocaas.layout import cell
from neurocaas.layout import table as lines_of
from neurocaas.nearest import did_you_mean
from neurocaas.notebook_html import table, text
from neurocaas.protocol.units import size as size_text

LIMIT = 64_000_000
"""Bytes of a result that are read at once, unless another `limit` is given."""

TEXTS = (
    *(".txt", ".log", ".csv", ".tsv", ".md", ".rst", ".yaml", ".yml", ".toml", ".ini", ".html", ".xml"),
    *(".svg", ".bval", ".bvec", ".out", ".err"),
)
"""Ends of names of files that are read as text, in UTF-8."""

TABLES = {".csv": ",", ".tsv": "\t", ".parquet": ""}
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_SVG = "image/svg+xml"


@dataclass(frozen=True)
class ResultFile:
    """A result where it lies. `path` is its name below the job's results; `datasets` are those that have
    written it, as far as the service's records say; `sha256` what its content may have."""

    path: str
    bucket: str
    key: str
    size: int
    datasets: tuple[str, ...] = ()
    sha256: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<result {cell(self.path)}  {size_text(self.size)}>"


class ResultList(list[ResultFile]):
    """The results of a job, sorted by path: a list that shows itself as a table."""

    @property
    def paths(self) -> list[str]:
        """What `JobHandle.result` takes."""
        return [one.path for one in self]

    def _rows(self) -> list[tuple[str, str, str]]:
        return [(one.path, size_text(one.size), ", ".join(one.datasets)) for one in self]

    def __repr__(self) -> str:
        return "\n".join(lines_of(("result", "size", "dataset"), self._rows())) if self else "no results"

    def _repr_html_(self) -> str:
        note = "" if self else "no results"
        return table(("result", "size", "dataset"), self._rows(), note=note)

    def one(self, name: str, dataset: str, ends: Iterable[str] = ()) -> ResultFile:
        """The only result that `name` means: its path, or the end of the path of only one (`a/table.csv`,
        `table.csv`), among those of `dataset` ("": of all). Raises AnalysisError, with the nearest name."""
        raise_all(given.texts(name=name, dataset=dataset))
        ends = tuple(ends)
        if ends and not name.lower().endswith(ends):
            raise AnalysisError(
                f"{cell(name)!r}", f"a name that ends in {', '.join(ends)}", "result() reads any other"
            )
        among = self
        if dataset:
            known = sorted({one for file in self for one in file.datasets})
            among = ResultList(file for file in self if dataset in file.datasets)
            if not among:
                raise AnalysisError(
                    f"no results of a dataset {cell(dataset)!r}",
                    f"a dataset of the job: {_few(known)}" if known else "a dataset of the job",
                    did_you_mean(dataset, known, "results() lists what there is"),
                )
        exact = [file for file in among if file.path == name]
        found = exact or [file for file in among if file.path.endswith(f"/{name.lstrip('/')}")]
        if len(found) == 1:
            return found[0]
        if found:
            raise AnalysisError(
                f"{cell(name)!r}, which is the name of {len(found)} results",
                _few([file.path for file in found]),
                "write the whole path, or name the dataset: dataset='…'",
            )
        names = [*among.paths, *(PurePosixPath(path).name for path in among.paths)]
        raise AnalysisError(
            f"no result {cell(name)!r}{f' of {cell(dataset)}' if dataset else ''}",
            _few(among.paths) or "results of a job that has written some",
            did_you_mean(name, names, "results() lists what there is"),
        )


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(cell(name) for name in names[:5]) + more


def content(s3: Any, file: ResultFile, limit: int) -> bytes:
    """All of a result. Raises AnalysisError for one of more than `limit` bytes, before it is read, and for
    other content than the job's records say."""
    if file.size > limit:
        raise AnalysisError(
            f"{cell(file.path)} has {size_text(file.size)}",
            f"up to {size_text(limit)} at once",
            "fetch it into a folder with fetch(), or raise the limit: limit=…",
        )
    body = Bucket(s3, file.bucket).get(file.key, limit)
    if body is None:
        raise AnalysisError(
            f"{cell(file.path)} is gone, or has become larger",
            "results of a job that has ended",
            "look at results() again",
        )
    if file.sha256 and hashlib.sha256(body).hexdigest() not in file.sha256:
        raise AnalysisError(
            f"{cell(file.path)} has other content than the job has recorded",
            "results as the certificate describes them",
            "if it stays so after the job's end, it was replaced: tell the administrator",
        )
    return body


def value(name: str, body: bytes, kind: str = "") -> Any:
    """What a file says: JSON as Python has it, a text, or bytes. `kind` ("json", "text", "bytes") decides
    where the end of the name does not."""
    suffix = PurePosixPath(name).suffix.lower()
    kind = kind or ("json" if suffix == ".json" else "text" if suffix in TEXTS else "bytes")
    if kind == "bytes":
        return body
    if kind not in ("json", "text"):
        raise AnalysisError(f"kind={kind!r}", "'json', 'text' or 'bytes'", "leave it out to go by the name")
    try:
        said = body.decode("utf-8-sig")
        return json.loads(said) if kind == "json" else said
    except (ValueError, RecursionError) as error:
        what = "JSON" if kind == "json" else "text in UTF-8"
        raise AnalysisError(
            f"{cell(name)} is no {what} ({error})", f"a file of {what}", "read it with kind='bytes'"
        ) from error


def frame(name: str, body: bytes, **options: Any) -> Any:
    """A table as a pandas data frame; `options` are those of pandas's own reader."""
    try:
        import pandas
    except ImportError as error:
        raise AnalysisError(
            "pandas is not installed in this Python",
            "pandas, for tables as data frames",
            "`pip install pandas`, or read the text with result()",
        ) from error
    suffix = PurePosixPath(name).suffix.lower()
    try:
        if suffix == ".parquet":
            return pandas.read_parquet(io.BytesIO(body), **options)
        return pandas.read_csv(io.BytesIO(body), **{"sep": TABLES[suffix], **options})
    except ImportError as error:
        raise AnalysisError(
            f"pandas cannot read {suffix} here ({error})",
            "pandas with what it needs for that",
            "`pip install pyarrow`",
        ) from error
    except (ValueError, OSError) as error:
        got = f"{cell(name)} is no table that pandas can read ({error})"
        raise AnalysisError(got, f"a table in {suffix}", "look at it with result(…, kind='bytes')") from error


@dataclass(frozen=True, repr=False)
class ResultImage:
    """An image among the results; a notebook shows it. `kind` is its media type."""

    path: str
    content: bytes
    kind: str

    def __repr__(self) -> str:
        return f"<image {cell(self.path)}  {self.kind}  {size_text(len(self.content))}>"

    def _repr_png_(self) -> bytes | None:
        return self.content if self.kind == "image/png" else None

    def _repr_jpeg_(self) -> bytes | None:
        return self.content if self.kind == "image/jpeg" else None

    def _repr_html_(self) -> str | None:
        """Of the other kinds. In an `img` nothing of an SVG is run."""
        if self.kind in ("image/png", "image/jpeg"):
            return None
        return (
            f'<img alt="{text(self.path)}" src="data:{self.kind};base64,{b64encode(self.content).decode()}">'
        )


def image(name: str, body: bytes) -> ResultImage:
    """An image, by what is in the file. Raises AnalysisError for anything else."""
    kind = next((kind for begins, kind in _IMAGES if body.startswith(begins)), "")
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        kind = "image/webp"
    if not kind and name.lower().endswith(".svg") and b"<svg" in body[:4096]:
        kind = _SVG
    if not kind:
        raise AnalysisError(
            f"{cell(name)} is no image that a notebook can show",
            "PNG, JPEG, GIF, WebP or SVG",
            "read it with result(…, kind='bytes')",
        )
    return ResultImage(name, body, kind)
