"""The actions that move data over the network: S3Download, S3Upload, WebDownload; and parameters from SSM."""

import hashlib
import http.client
import json
import os
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localcloud.images.awstoe.files import ActionError, Inputs, Outputs, fits, true
from localcloud.sandbox.sigv4 import Credentials, sign

_ALGORITHMS = {"MD5": "md5", "SHA1": "sha1", "SHA256": "sha256", "SHA512": "sha512"}
_WEB_ATTEMPTS = 5
_MAXIMUM_OBJECTS = 1000
_CHUNK = 1 << 20


class Aws:
    """The few calls that actions make, at ``endpoint``, with the credentials that the metadata service at
    ``metadata`` gives.
    """

    def __init__(self, endpoint: str | None, region: str, metadata: str | None) -> None:
        self._endpoint, self.region, self._metadata = endpoint, region, metadata

    def metadata(self, path: str, field: str = "") -> str:
        """What the machine's metadata service says, below ``/latest/``; of a JSON answer only ``field``."""
        if not self._metadata:
            raise ActionError(
                "the build has no role, so no metadata service; name an instance profile in "
                "the infrastructure configuration"
            )
        base = self._metadata.rstrip("/")
        try:
            ask = urllib.request.Request(
                f"{base}/latest/api/token",
                method="PUT",
                headers={"X-aws-ec2-metadata-token-ttl-seconds": "300"},
            )
            with _DIRECT.open(ask, timeout=10) as answer:
                token = {"X-aws-ec2-metadata-token": answer.read().decode()}
            with _DIRECT.open(
                urllib.request.Request(f"{base}/latest/{path}", headers=token), timeout=30
            ) as answer:
                text: str = answer.read().decode()
            return str(json.loads(text)[field]) if field else text
        except (OSError, ValueError, KeyError) as error:
            raise ActionError(f"the metadata service does not know {path}: {error}") from error

    def _credentials(self) -> Credentials:
        if not self._metadata:
            raise ActionError(
                "the build has no role, so nothing in AWS can be reached; name an instance profile in the "
                "infrastructure configuration"
            )
        path = "meta-data/iam/security-credentials/"
        try:
            role = self.metadata(path).split("\n")[0]
            found = json.loads(self.metadata(path + role))
            return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["Token"])
        except (ActionError, ValueError, KeyError) as error:
            raise ActionError(f"no credentials of the build's role: {error}") from error

    def request(
        self,
        service: str,
        method: str,
        path: str,
        query: str = "",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Any:
        """An open answer; the caller closes it. Raises ActionError with AWS's own words."""
        root = (self._endpoint or f"https://{service}.{self.region}.amazonaws.com").rstrip("/")
        url = root + urllib.parse.quote(path, safe="/-_.~") + (f"?{query}" if query else "")
        signed = sign(method, url, body, service, self.region, self._credentials(), headers)
        try:
            return _DIRECT.open(
                urllib.request.Request(url, data=body or None, method=method, headers=signed), timeout=60
            )
        except urllib.error.HTTPError as error:
            text = error.read(2000).decode(errors="replace")
            code = re.search(r"<Code>(.*?)</Code>|\"__type\":\s*\"(.*?)\"", text)
            raise ActionError(
                f"{service} {method} {path}: {error.code} {(code[1] or code[2]) if code else text[:200]}"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise ActionError(f"{service} {method} {path}: {error}") from error

    def parameter(self, name: str) -> str:
        """The (decrypted) value of an SSM parameter, which must be one line. Raises ActionError with the
        parameter's name.
        """
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AmazonSSM.GetParameter"}
        body = json.dumps({"Name": name, "WithDecryption": True}).encode()
        try:
            with self.request("ssm", "POST", "/", body=body, headers=headers) as answer:
                value = str(json.load(answer)["Parameter"]["Value"])
        except ActionError as error:
            allowed = (
                "one that exists in this region, and that the role of the build may read (ssm:GetParameter)"
            )
            raise ActionError(
                f"the SSM parameter {name} cannot be read: {error}; allowed: {allowed}"
            ) from error
        if "\n" in value:
            raise ActionError(f"the parameter {name} has several lines; references allow one")
        return value

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """All keys below a prefix."""
        token = ""
        while True:
            fields = {"list-type": "2", "prefix": prefix, **({"continuation-token": token} if token else {})}
            query = "&".join(
                f"{key}={urllib.parse.quote(value, safe='-_.~')}" for key, value in sorted(fields.items())
            )
            with self.request("s3", "GET", f"/{bucket}", query) as answer:
                tree = ElementTree.fromstring(answer.read())  # noqa: S314 (from the endpoint that we signed for)
            space = tree.tag.rpartition("}")[0] + "}" if "}" in tree.tag else ""
            for item in tree.iter(f"{space}Contents"):
                yield item.findtext(f"{space}Key") or ""
            token = tree.findtext(f"{space}NextContinuationToken") or ""
            if not token:
                return


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""For the emulator and the metadata service, which a proxy cannot reach."""


def _owner(inputs: Inputs) -> dict[str, str]:
    """The header by which S3 refuses a bucket of another account."""
    owner = str(inputs.get("expectedBucketOwner") or "")
    return {"x-amz-expected-bucket-owner": owner} if owner else {}


def _location(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"s3://([^/]+)/(.+)", text)
    if match is None:
        raise ActionError(f"{text!r} is not s3://bucket/key")
    return match[1], match[2]


def _save(answer: Any, path: Path) -> None:
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as file:
            while data := answer.read(_CHUNK):
                file.write(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def s3_download(inputs: Inputs, aws: Aws) -> Outputs:
    bucket, key = _location(inputs["source"])
    target = Path(inputs["destination"])
    if not key.endswith("*"):
        place = (
            target / key.rpartition("/")[2]
            if target.is_dir() or inputs["destination"].endswith("/")
            else target
        )
        pairs = [(key, place)]
    else:
        prefix = key[:-1]
        pairs = [
            (found, target / found[len(prefix.rpartition("/")[0]) :].lstrip("/"))
            for found in aws.keys(bucket, prefix)
            if not found.endswith("/")
        ]
        if len(pairs) > _MAXIMUM_OBJECTS:
            raise ActionError(f"{inputs['source']} matches {len(pairs)} objects; allowed: {_MAXIMUM_OBJECTS}")
        if not pairs:
            raise ActionError(f"no object matches {inputs['source']}")
    if not target.is_dir() and not target.parent.is_dir():
        raise ActionError(f"the folder {target.parent} does not exist; create it before S3Download")
    for found, place in pairs:
        if place.exists() and not true(inputs, "overwrite", "true"):
            raise ActionError(f"{place} exists and overwrite is false")
        place.parent.mkdir(parents=True, exist_ok=True)
        with aws.request("s3", "GET", f"/{bucket}/{found}", headers=_owner(inputs)) as answer:
            _save(answer, place)
    return {}


def s3_upload(inputs: Inputs, aws: Aws) -> Outputs:
    bucket, key = _location(inputs["destination"])
    source = Path(inputs["source"])
    folder, pattern = source.parent, source.name
    recurse = true(inputs, "recurse", "false")
    if source.is_dir():
        if not recurse:
            raise ActionError(f"{source} is a folder; set `recurse: true` to upload what is in it")
        folder, pattern = source, "*"
    if "*" in pattern:
        entries = folder.rglob("*") if recurse else folder.glob("*")
        found = [path for path in entries if path.is_file() and fits(path.name, pattern)]
        pairs = [
            (path, key.rstrip("*").rstrip("/") + "/" + path.relative_to(folder).as_posix())
            for path in sorted(found)
        ]
    else:
        pairs = [(source, key + source.name if key.endswith("/") else key)]
    if not pairs:
        raise ActionError(f"no file matches {source}")
    for path, place in pairs:
        if not path.is_file():
            raise ActionError(f"the file {path} does not exist")
        aws.request("s3", "PUT", f"/{bucket}/{place}", body=path.read_bytes(), headers=_owner(inputs)).close()
    return {}


def web_download(inputs: Inputs) -> Outputs:
    source, wanted = inputs["source"], str(inputs.get("checksum") or "").strip().lower()
    algorithm = str(inputs.get("algorithm") or "").upper()
    if bool(wanted) != bool(algorithm) or (algorithm and algorithm not in _ALGORITHMS):
        raise ActionError(f"checksum and algorithm go together; algorithms: {', '.join(_ALGORITHMS)}")
    if not source.startswith(("http://", "https://")):
        raise ActionError(f"the source {source!r} is not http or https")
    target = Path(inputs["destination"])
    if inputs["destination"].endswith("/") or target.is_dir():
        target = target / (
            Path(urllib.parse.unquote(urllib.parse.urlsplit(source).path)).name or "index.html"
        )
    if target.exists():
        if not true(inputs, "overwrite", "true"):
            raise ActionError(f"{target} exists and overwrite is false")
        if wanted and _hash(target, algorithm) == wanted:
            return {"destination": str(target)}
    target.parent.mkdir(parents=True, exist_ok=True)
    _fetch(source, target, true(inputs, "ignoreCertificateErrors", "false"))
    if wanted and (found := _hash(target, algorithm)) != wanted:
        target.unlink()
        raise ActionError(f"{source} has {algorithm} {found}, not {wanted}; nothing was kept")
    return {"destination": str(target)}


def _fetch(source: str, target: Path, ignore_certificates: bool) -> None:
    context = ssl.create_default_context()
    if ignore_certificates:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for attempt in range(1, _WEB_ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(source, timeout=60, context=context) as answer:
                if answer.status != 200:
                    raise ActionError(f"{source}: status {answer.status}")
                _save(answer, target)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == _WEB_ATTEMPTS:
                raise ActionError(f"{source}: status {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            if attempt == _WEB_ATTEMPTS:
                raise ActionError(f"{source}: {error}") from error
        time.sleep(min(0.5 * 2**attempt, 8))


def _hash(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, _ALGORITHMS[algorithm]).hexdigest()
