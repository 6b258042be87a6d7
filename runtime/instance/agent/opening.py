"""Which storage a machine reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .storage import LOCAL_ROOT, FolderStorage, Storage


def open_storage(environment: Mapping[str, str]) -> Storage:
    """The folder of NEUROCAAS_LOCAL_BUCKET_ROOT (a path or a file:// address) where that is set, else S3."""
    if root := environment.get(LOCAL_ROOT):
        return FolderStorage(Path(unquote(urlsplit(root).path) if root.startswith("file://") else root))
    from .s3 import S3Storage  # botocore takes 0.1 s and 30 MB: only where it is used

    return S3Storage()
