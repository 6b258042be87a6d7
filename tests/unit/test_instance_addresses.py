"""Files of the world on a machine: what is not exactly the file that was submitted, or not of the world, is
not fetched. Against a TLS server of this computer, which a test lets pass for public."""

import hashlib
import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from neurocaas.protocol.addresses import Address, admitted, parse_address
from runtime.instance.agent.addresses import TRIES, AddressStorage, is_public
from runtime.instance.agent.pins import Pins
from runtime.instance.agent.storage import FolderStorage, Location, StorageError
from runtime.instance.agent.transfer import Transfer, read_record

HOST = "data.example.org"
CONTENT = bytes(range(256)) * 5000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def certificate(folder: Path, host: str) -> Path:
    """A key and a certificate that it has signed itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{host}.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


class World:
    """A server, and what it was asked. `answer` decides what it says."""

    def __init__(self, server: Any, context: ssl.SSLContext) -> None:
        self.asked: list[dict[str, str]] = []
        self.answer: Callable[[Any], None] = whole
        self.storage = AddressStorage(context, lambda _: True, server.server_address[1], 5.0, lambda _: None)


def whole(request: Any, content: bytes = CONTENT, status: int = 200, **headers: str) -> None:
    begin = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
    request.send_response(206 if begin else status)
    if begin:
        request.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
    for name, value in {"Content-Length": str(len(content) - begin), **headers}.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(content[begin:])


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there.asked.append({"path": self.path, **self.headers})
            there.answer(self)

        def log_message(self, *_: object) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Connections that a test breaks."""

    path = certificate(tmp_path, HOST)
    server = Server(("127.0.0.1", 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    there = World(server, ssl.create_default_context(cafile=str(path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    real = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host.endswith("example.org") else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    yield there
    server.shutdown()
    server.server_close()
    thread.join()


def named(path: str = "/a/b.nwb", sha256: str = DIGEST, size: int = len(CONTENT), host: str = HOST) -> str:
    return Address(f"https://{host}", path, sha256, size, "b.nwb").dataname


def fetched(world: World, target: Path, dataname: str) -> bytes:
    seen: list[bytes] = []
    world.storage.download(dataname, target, seen.append)
    assert b"".join(seen) == target.read_bytes()
    return target.read_bytes()


def test_the_file_that_was_submitted_is_fetched(world: World, tmp_path: Path) -> None:
    assert fetched(world, tmp_path / "x", named()) == CONTENT
    (asked,) = world.asked
    assert asked["path"] == "/a/b.nwb"  # the digest is not sent
    assert asked["Host"].startswith(HOST)
    assert not {"Authorization", "Cookie", "Referer"} & set(asked)


def test_a_machine_fetches_it_by_its_own_name_and_records_it(world: World, tmp_path: Path) -> None:
    record = tmp_path / "files"
    transfer = Transfer(FolderStorage(tmp_path), record, Pins(), world.storage)
    transfer.download(Location.parse(named(), "own"), tmp_path / "data")
    assert (tmp_path / "data" / "b.nwb").read_bytes() == CONTENT
    (moved,) = read_record(record)
    assert (moved.bucket, moved.bytes, moved.sha256) == (f"https://{HOST}", len(CONTENT), DIGEST)
    assert f"{moved.bucket}/{moved.key}" == named()


def test_what_changed_since_fails_the_dataset_and_says_so(world: World, tmp_path: Path) -> None:
    record = tmp_path / "files"
    transfer = Transfer(FolderStorage(tmp_path), record, Pins(), world.storage)
    with pytest.raises(StorageError, match="the data changed after it was submitted"):
        transfer.download(Location.parse(named(sha256="0" * 64), "own"), tmp_path / "data")
    assert "the data changed after it was submitted" in record.with_name("outdated").read_text()
    assert list((tmp_path / "data").iterdir()) == []


def endless(request: Any) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b"x" * 65536)


def longer(request: Any) -> None:
    request.send_response(200)
    request.end_headers()
    request.wfile.write(CONTENT + b"x")


def leads(place: str, status: int = 302) -> Callable[[Any], None]:
    return lambda request: whole(request, b"", status, Location=place)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (endless, rf"it has more than {len(CONTENT)} bytes"),
        (longer, rf"it has more than {len(CONTENT)} bytes"),
        (
            lambda request: whole(request, CONTENT + b"x"),
            rf"it has {len(CONTENT) + 1} bytes, not {len(CONTENT)}",
        ),
        (lambda request: whole(request, CONTENT[1:]), "bytes, not"),
        (lambda request: whole(request, b"\1" + CONTENT[1:]), "it has SHA-256 [0-9a-f]{64}, not"),
        (leads("https://169.254.169.254/latest/meta-data/iam"), r"it leads elsewhere \(302\)"),
        (leads("http://127.0.0.1/", 301), r"it leads elsewhere \(301\)"),
        (leads(f"https://{HOST}/other", 307), r"it leads elsewhere \(307\)"),
        (leads("file:///etc/passwd", 308), r"it leads elsewhere \(308\)"),
        (lambda request: whole(request, b"no", 404), "the host says 404"),
        (lambda request: whole(request, b"no", 403), "the host says 403"),
        (lambda request: whole(request, b"no", 204), "the host says 204"),
    ],
)
def test_what_is_another_file_or_elsewhere_is_refused_at_once(
    world: World, tmp_path: Path, answer: Callable[[Any], None], said: str
) -> None:
    world.answer = answer
    with pytest.raises(StorageError, match=said) as error:
        world.storage.download(named(), tmp_path / "x", lambda _: None)
    assert error.value.permanent
    assert len(world.asked) == 1
    assert (tmp_path / "x").stat().st_size <= len(CONTENT)


def test_a_connection_that_breaks_goes_on_where_it_was(world: World, tmp_path: Path) -> None:
    def broken(request: Any) -> None:
        begin = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        request.send_response(206 if begin else 200)
        request.send_header("Content-Length", str(len(CONTENT) - begin))
        if begin:
            request.send_header("Content-Range", f"bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}")
        request.end_headers()
        request.wfile.write(CONTENT[begin : begin + 400_000])
        request.close_connection = True

    world.answer = broken
    assert fetched(world, tmp_path / "x", named()) == CONTENT
    begun = [int(one.get("Range", "bytes=0-")[6:-1]) for one in world.asked]
    assert begun == sorted(set(begun))
    assert len(begun) == 4


def says(status: int, **headers: str) -> Callable[[Any], None]:
    def answer(request: Any) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()

    return answer


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (says(416), "cannot go on in the middle"),
        (endless, "cannot go on in the middle"),
        (says(206, Content_Range="bytes 0-9/10"), "at another place than was asked for"),
    ],
)
def test_a_host_that_cannot_go_on_is_told(
    world: World, tmp_path: Path, second: Callable[[Any], None], said: str
) -> None:
    def first(request: Any) -> None:
        world.answer = second
        request.send_response(200)
        request.end_headers()
        request.wfile.write(CONTENT[:1000])

    world.answer = first
    with pytest.raises(StorageError, match=said):
        world.storage.download(named(), tmp_path / "x", lambda _: None)
    assert len(world.asked) == 2


def test_a_host_that_is_away_is_tried_again_and_then_told(world: World, tmp_path: Path) -> None:
    world.answer = lambda request: whole(request, b"later", 503)
    with pytest.raises(StorageError, match=r"cannot answer now \(503\)\. Tried") as error:
        world.storage.download(named(), tmp_path / "x", lambda _: None)
    assert not error.value.permanent
    assert len(world.asked) == TRIES


def test_the_certificate_must_be_that_of_the_host(world: World, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="its certificate is not that of the host"):
        world.storage.download(named(host="other.example.org"), tmp_path / "x", lambda _: None)
    assert world.asked == []


def test_a_host_of_the_machines_own_network_is_not_asked(world: World, tmp_path: Path) -> None:
    own = AddressStorage(world.storage._context, port=world.storage._port)
    with pytest.raises(StorageError, match=r"is 127\.0\.0\.1, which is no address of the world") as error:
        own.download(named(), tmp_path / "x", lambda _: None)
    assert error.value.permanent
    assert world.asked == []


def test_one_private_address_among_public_ones_is_enough_to_refuse(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(*_: object, **__: object) -> list[Any]:
        return [(2, 1, 6, "", (place, 443)) for place in ("93.184.215.14", "169.254.169.254")]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    own = AddressStorage(world.storage._context, port=world.storage._port)
    with pytest.raises(StorageError, match=r"169\.254\.169\.254"):
        own.download(named(), tmp_path / "x", lambda _: None)


def test_an_address_that_cannot_be_reached_is_passed_over(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(*_: object, **__: object) -> list[Any]:
        return [(10, 1, 6, "", (place, 443)) for place in ("fd00::1", "127.0.0.1")]

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        if address[0] == "fd00::1":
            raise OSError("Network is unreachable")
        made = socket.socket()
        made.settimeout(timeout)
        made.connect(address)
        return made

    monkeypatch.setattr(socket, "getaddrinfo", both)
    monkeypatch.setattr(socket, "create_connection", connect)
    assert fetched(world, tmp_path / "x", named()) == CONTENT


def test_proxies_of_the_environment_are_not_asked(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert fetched(world, tmp_path / "x", named()) == CONTENT


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "169.254.169.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "2002:a9fe:a9fe::1",
        "64:ff9b::a9fe:a9fe",
        "localhost",
        "",
    ],
)
def test_addresses_that_are_not_of_the_world(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07::1", "::ffff:93.184.215.14"])
def test_addresses_of_the_world(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "dataname",
    [
        "https://data.example.org/a",
        f"https://data.example.org/a#sha256={DIGEST}&size=1",
        f"http://data.example.org/a#sha256={DIGEST}&size=1/a",
        f"https://user:pass@data.example.org/a#sha256={DIGEST}&size=1/a",
        f"https://data.example.org:8443/a#sha256={DIGEST}&size=1/a",
        f"https://169.254.169.254/a#sha256={DIGEST}&size=1/a",
        f"https://[::1]/a#sha256={DIGEST}&size=1/a",
        f"https://localhost/a#sha256={DIGEST}&size=1/a",
        f"https://0x7f.1/a#sha256={DIGEST}&size=1/a",
        f"https://data.example.org/a?token=1#sha256={DIGEST}&size=1/a",
        f"https://data.example.org/../a#sha256={DIGEST}&size=1/a",
        f"https://data.example.org/%2e%2e/a#sha256={DIGEST}&size=1/a",
        f"https://data.example.org/{'a' * 250}#sha256={DIGEST}&size=1/a",
        f"https://data.example.org/a//b#sha256={DIGEST}&size=1/a",
        f"https://data.example.org/a%5cb#sha256={DIGEST}&size=1/a",
        f"https://data.example.org/a%zz#sha256={DIGEST}&size=1/a",
        f"https://data.example.org/a\r\nHost: x#sha256={DIGEST}&size=1/a",
        f"https://data.example.org/a b#sha256={DIGEST}&size=1/a",
        f"https://DATA.example.org/a#sha256={DIGEST}&size=1/a",
        f"https://data.example.org/a#sha256={DIGEST.upper()}&size=1/a",
        f"https://data.example.org/a#sha256={DIGEST}&size=0/a",
        f"https://data.example.org/a#sha256={DIGEST}&size=-1/a",
        f"https://data.example.org/a#sha256={DIGEST}&size=999999999999999/a",
        f"https://data.example.org/a#sha256={DIGEST}&size=1/..",
        f"https://data.example.org/a#sha256={DIGEST}&size=1/a/b",
        f"https://data.example.org/a#sha256={DIGEST}&size=1/a\nb",
        f"https://data.example.org/a#sha256={DIGEST}&size=1/",
    ],
)
def test_names_that_are_no_addresses(dataname: str) -> None:
    with pytest.raises(ValueError, match="it"):
        parse_address(dataname)


@pytest.mark.parametrize(
    ("prefix", "url", "expected"),
    [
        ("https://a.example.org/", "https://a.example.org/x", True),
        ("https://a.example.org/", "https://a.example.org.evil.com/x", False),
        ("https://a.example.org/open/", "https://a.example.org/open/x", True),
        ("https://a.example.org/open/", "https://a.example.org/opened/x", False),
        ("https://a.example.org/open/", "https://a.example.org/open", False),
        ("https://a.example.org/open/", "https://a.example.org/%6fpen/x", False),
        ("https://a.example.org/", "https://b.example.org/x", False),
    ],
)
def test_what_a_blueprint_admits(prefix: str, url: str, expected: bool) -> None:
    assert admitted([prefix], parse_address(f"{url}#sha256={DIGEST}&size=1/x")) is expected
