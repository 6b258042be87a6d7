"""Uploads in parts survive the emulator: each part is on disk before it is answered, and a completion is
answered the same again.

Stock MiniStack has the parts in memory only, so a machine that was uploading a large result would have to
begin anew.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

from localcloud.aws import hooks

UPLOAD, PART, COMPLETED = "upload.json", ".part.json", "completed.json"
REMEMBERED_SECONDS = 86400.0
"""How long the answer of a completion is kept, for a client that did not get it."""
_ID = re.compile(rb"<UploadId>([^<]+)</UploadId>")
_SAFE = re.compile(r"[A-Za-z0-9_.-]+")


class Uploads:
    """One folder an upload: what it is, its parts, or the answer of its completion."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def install(self) -> None:
        """Bring back what there was, and keep what comes. Install before what waits until requests are
        saved.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for folder in list(self._folder.iterdir()):
            self._bring_back(folder)
        table = hooks.handlers()
        original = table["s3"]

        async def serve(
            method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
        ) -> hooks.Reply:
            answer = await original(method, path, headers, body, query)
            if answer[0] < 300 and ("uploads" in query or "uploadId" in query):
                self._keep(method, answer, query)
            return answer

        table["s3"] = serve

    def _keep(self, method: str, answer: hooks.Reply, query: dict[str, list[str]]) -> None:
        """Raises OSError when it cannot be written."""
        if "uploads" in query:
            found = _ID.search(answer[2]) if method == "POST" else None
            if found:
                self._begin(found[1].decode())
            return
        upload_id = query["uploadId"][0]
        folder = self._of(upload_id)
        if folder is None:
            return
        if method == "PUT":
            upload, number = hooks.s3._multipart_uploads.get(upload_id), int(query["partNumber"][0])
            if upload is not None and number in upload["parts"]:
                part = upload["parts"][number]
                _write(folder / f"{number}.part", part["body"])
                _write_json(
                    folder / f"{number}{PART}",
                    {name: value for name, value in part.items() if name != "body"},
                )
        elif method == "POST":
            done = hooks.s3._completed_multipart_uploads.get(upload_id)
            if done is not None:
                status, headers, body = done["response"]
                _write_json(
                    folder / COMPLETED,
                    {
                        "account": hooks.account(),
                        "key": done["key"],
                        "answer": [status, headers, body.decode()],
                    },
                )
                for part in folder.glob("*.part*"):
                    part.unlink()
        elif method == "DELETE":
            shutil.rmtree(folder, ignore_errors=True)

    def _begin(self, upload_id: str) -> None:
        folder, upload = self._of(upload_id), hooks.s3._multipart_uploads.get(upload_id)
        if folder is not None and upload is not None:
            folder.mkdir(mode=0o700, exist_ok=True)
            document = {name: value for name, value in upload.items() if name != "parts"}
            _write_json(
                folder / UPLOAD, {"account": hooks.account(), "region": hooks.region(), "upload": document}
            )

    def _of(self, upload_id: str) -> Path | None:
        return (
            self._folder / upload_id if _SAFE.fullmatch(upload_id) and upload_id not in (".", "..") else None
        )

    def _bring_back(self, folder: Path) -> None:
        if (folder / COMPLETED).exists():
            done = json.loads((folder / COMPLETED).read_text())
            if time.time() - (folder / COMPLETED).stat().st_mtime > REMEMBERED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
                return
            status, headers, body = done["answer"]
            with hooks.scope(done["account"], ""):
                hooks.s3._completed_multipart_uploads[folder.name] = {
                    "key": done["key"],
                    "response": (status, headers, body.encode()),
                }
        elif (folder / UPLOAD).exists():
            document = json.loads((folder / UPLOAD).read_text())
            parts: dict[int, Any] = {}
            for file in folder.glob(f"*{PART}"):
                number = int(file.name.removesuffix(PART))
                parts[number] = {
                    **json.loads(file.read_text()),
                    "body": (folder / f"{number}.part").read_bytes(),
                }
            with hooks.scope(document["account"], document["region"]):
                hooks.s3._multipart_uploads[folder.name] = {**document["upload"], "parts": parts}
        else:
            shutil.rmtree(folder, ignore_errors=True)  # it was not answered


def _write(file: Path, data: bytes) -> None:
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_bytes(data)
    temporary.replace(file)


def _write_json(file: Path, document: dict[str, Any]) -> None:
    _write(file, json.dumps(document).encode())
