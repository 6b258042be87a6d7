"""Provisioning scripts as other people write them: each is baked, and a fresh machine of the image sees what
it should have done.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from blueprints.provision import read
from image_builder.recipe import PackedProvision
from localcloud.tests.bases import isolated
from localcloud.tests.fleet_fakes import RunningFleet, running_fleet
from localcloud.tests.image_builds import finish, image_id, log, start
from neurocaas.protocol.problems import InvalidInput

pytestmark = pytest.mark.local


@dataclass(frozen=True)
class Case:
    """`files` of provision/; `check` runs on a fresh machine. With `fails` the bake must end with these words
    instead; `told` are in the log. SITE, COMMIT and SUM are replaced."""

    name: str
    files: Mapping[str, str]
    check: str = "true"
    fails: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


CASES = (
    Case(
        "apt and a virtual environment",
        {
            "10-system.sh": "#!/bin/bash -e\napt-get update && apt-get install -y sl\n",
            "20-python.sh": "python3 -m venv /opt/env\nsource /opt/env/bin/activate\npip install six==1.16.0\n",  # noqa: E501
        },
        check=(
            "test -x /usr/games/sl\n/opt/env/bin/python -c 'import six; assert six.__version__ == \"1.16.0\"'"
        ),
    ),
    Case(
        "a download, checked and unpacked",
        {
            "10-tool.sh": (
                "cd /opt\nwget -q SITE/tool.tar.gz\necho 'SUM  tool.tar.gz' | sha256sum -c\ntar xzf "
                "tool.tar.gz\nrm tool.tar.gz\n"
            )
        },
        check="/opt/tool/run | grep -x tool",
    ),
    Case(
        "a download that is another one",
        {"10-tool.sh": f"cd /opt\nwget -q SITE/tool.tar.gz\necho '{'0' * 64}  tool.tar.gz' | sha256sum -c\n"},
        fails=("10-tool.sh", "line 3", "sha256sum -c"),
    ),
    Case(
        "a user with files of its own",
        {
            "10-user.sh": "useradd --create-home analyst\ninstall -o analyst -m 0600 /dev/null ~analyst/notes\n"  # noqa: E501
        },
        # An ordinary user's namespace has one id, so that owners are not kept there.
        check="id analyst\ntest $(stat -c %a ~analyst/notes) = 600\n"
        "test $(stat -c %U ~analyst/notes) = analyst -o $(awk '{print $3; exit}' /proc/self/uid_map) = 1",
    ),
    Case(
        "a systemd unit",
        {
            "10-unit.sh": "cat > /etc/systemd/system/tool.service "
            "<<'END'\n[Service]\nExecStart=/bin/true\n[Install]\n"
            "WantedBy=multi-user.target\nEND\nsystemctl daemon-reload\nsystemctl enable --now tool.service\n"
        },
        check="grep -q ExecStart /etc/systemd/system/tool.service",
    ),
    Case(
        "a repository at a commit",
        {"10-code.sh": "git clone -q SITE/code.git /opt/code\ncd /opt/code\ngit checkout -q COMMIT\n"},
        check="grep -x first /opt/code/text",
    ),
    Case(
        "set -x, and a failure that plain bash would not notice",
        {"10-loose.sh": "#!/bin/bash\nset -x\necho before\ncp /nonesuch /opt/\ntouch /opt/never\n"},
        fails=("10-loose.sh", "line 4", "cp /nonesuch /opt/"),
    ),
    Case(
        "failures that the author allows",
        {
            "10-loose.sh": "set +e\ngrep -q nonesuch /etc/passwd\nrm /nonesuch\ntouch /opt/after\n",
            "20-more.sh": "false || touch /opt/more\n",
        },
        check="test -e /opt/after -a -e /opt/more",
    ),
    Case(
        "names with spaces and other letters, one after the other",
        {
            "10-größe messen.sh": "echo 'größe' > '/opt/größe'\n",
            "20-über.sh": "cat '/opt/größe' > /opt/copy\n",
            "data/naïve file.txt": "ü\n",
        },
        check=(
            "grep -x größe /opt/copy\ntest -z \"$(find / -xdev -name 'naïve file.txt' -not -path '/tmp/*' "
            '2> /dev/null)"'
        ),
    ),
    Case(
        "a long script with files beside it",
        {
            "10-long.sh": "# a comment line of a long script\n" * 800 + "install -D -m 755 files/tool "
            "/opt/bin/tool\n",
            "files/tool": "echo tool\n",
        },
        check="bash /opt/bin/tool | grep -x tool",
    ),
    Case(
        "a reboot in the middle",
        {
            "10-kernel.sh": (
                "if [ ! -e /var/lib/once ]; then touch /var/lib/once; echo first; exit 194; fi\necho "
                "second\ntouch /opt/after\n"
            )
        },
        check="test -e /opt/after",
        told=("Stdout: first", "Stdout: second"),
    ),
    Case(
        "a reboot that nobody was told of",
        {"10-kernel.sh": "echo first\nreboot\nsleep 5\ntouch /opt/after\n"},
        fails=("reboot",),
    ),
    Case(
        "a script that hangs",
        {"10-hangs.sh": "echo begun\nsleep 1000\n"},
        fails=("10-hangs", "took longer than 2 s"),
    ),
    Case(
        "a daemon that is left running",
        {"10-daemon.sh": "nohup sleep 900 &\nsetsid sleep 900 > /dev/null 2>&1 &\ntouch /opt/after\n"},
        check="test -e /opt/after\n! pgrep -x sleep",
    ),
    Case(
        "a question that nobody answers",
        {"10-asks.sh": "read -r -p 'Continue? ' answer\ntouch /opt/never\n"},
        fails=("10-asks.sh", "line 1", "read -r"),
    ),
    Case(
        "things in temporary folders and caches",
        {
            "10-temporary.sh": (
                "touch /tmp/left /var/tmp/left\nmkdir -p ~/.ssh\necho key > ~/.ssh/authorized_keys\necho "
                "$HOME "
                "> /opt/home\n"
            )
        },
        check=(
            "test ! -e /tmp/left -a ! -e /var/tmp/left -a ! -e ~root/.ssh/authorized_keys\ngrep -x ~root "
            "/opt/home"
        ),
    ),
    Case(
        "sudo, as on a person's machine",
        {"10-sudo.sh": "sudo -E mkdir /opt/made\nsudo tee /opt/made/file <<< text\n"},
        check="cat /opt/made/file",
    ),
    Case(
        "another interpreter",
        {"10-python.sh": "#!/usr/bin/env python3\nopen('/opt/made', 'w').write('text')\n"},
        check="grep text /opt/made",
    ),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A web server with an archive and a repository: what SITE, SUM and COMMIT stand for."""
    folder = tmp_path_factory.mktemp("site")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("tool/run")
        program = b"#!/bin/sh\necho tool\n"
        entry.size, entry.mode = len(program), 0o755
        archive.addfile(entry, io.BytesIO(program))
    (folder / "tool.tar.gz").write_bytes(packed.getvalue())

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        return subprocess.run(
            ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q", "code")
    for text in ("first", "second"):
        (folder / "code" / "text").write_text(text + "\n")
        git("-C", "code", "add", "text")
        git("-C", "code", "commit", "-q", "-m", text)
    git("clone", "-q", "--bare", "code", "code.git")
    git("-C", "code.git", "update-server-info")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {
        "SITE": f"http://127.0.0.1:{server.server_port}",
        "SUM": hashlib.sha256(packed.getvalue()).hexdigest(),
        "COMMIT": git("-C", "code", "rev-parse", "HEAD~1"),
    }
    server.shutdown()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    home = tmp_path_factory.mktemp("cloud")
    isolated(home)
    with running_fleet(home) as running:
        yield running


@pytest.fixture(scope="module")
def started(
    fleet: RunningFleet, site: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[int, str]]:
    """Name of a case -> its number and build. All are started at once; the fleet runs some at a time."""
    found = {}
    for number, case in enumerate(CASES, 100):
        folder = tmp_path_factory.mktemp(f"case-{number}") / "provision"
        for name, text in {**case.files, "test/99-check.sh": case.check + "\n"}.items():
            for word, value in site.items():
                text = text.replace(word, value)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
            (folder / name).chmod(0o644)
        recording = PackedProvision.of(read(folder))
        if recording.archive:
            fleet.emulator.objects[f"/artifacts/{recording.key}"] = recording.archive
        documents = [document.data for document in recording.documents("foreign", "artifacts")]
        if case.name == "a script that hangs":
            documents = [text.replace("timeoutSeconds: 7200", "timeoutSeconds: 2") for text in documents]
        found[case.name] = (number, start(fleet, number, *documents))
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_does_on_an_image_what_its_author_meant(
    case: Case, fleet: RunningFleet, started: dict[str, tuple[int, str]]
) -> None:
    number, arn = started[case.name]
    last = finish(fleet, arn, 180)
    said = log(fleet, arn)
    for words in case.told:
        assert words in said
    if not case.fails:
        assert last["status"] == "AVAILABLE", said
        return
    assert last["status"] == "FAILED", said
    for words in case.fails:
        assert words in last["failure"]["message"], last["failure"]
    assert not (fleet.home / "images" / image_id(number)).exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"set -e\r\napt-get update\r\n", "Windows line ends"),
        (b"", "empty"),
        (b"echo \xff\n", "not UTF-8"),
        (b"echo a\0b\n", "empty or binary"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_does(tmp_path: Path, content: bytes, said: str) -> None:
    folder = tmp_path / "blueprints" / "x" / "provision"
    folder.mkdir(parents=True)
    (folder / "10-script.sh").write_bytes(content)
    with pytest.raises(InvalidInput) as error:
        read(folder)
    assert said in error.value.problems[0].text()
    assert "blueprints/x/provision/10-script.sh" in error.value.problems[0].text()
