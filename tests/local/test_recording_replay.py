"""What a recording writes down replays: what it pins, and how differences are told. No local cloud is
needed.
"""

from __future__ import annotations

import functools
import http.server
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blueprints import parent_of
from blueprints.provision import Provision, Script, read
from image_builder.recording import inventory, replay
from localcloud.images.cleanroot import LocalRoot
from localcloud.tests.bases import share_base
from tests.local.recordings import Bench

pytestmark = pytest.mark.local

# A build backend that needs nothing: packages from git are built without a package index.
BACKEND = """
import zipfile

def build_wheel(folder, *_):
    with zipfile.ZipFile(f"{folder}/mine-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("mine.py", "")
        wheel.writestr("mine-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: mine\\nVersion: 1\\n")
        wheel.writestr("mine-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("mine-1.dist-info/RECORD", "mine.py,,\\n")
    return "mine-1-py3-none-any.whl"
"""  # noqa: E501


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return share_base(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of a few files and a git repository; its address."""
    folder = tmp_path_factory.mktemp("www")
    (folder / "data.bin").write_bytes(bytes(range(256)) * 8)
    (folder / "install.sh").write_text('echo "$@" > /opt/build/installed\n')
    repository = folder / "tool"
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@y"]
    repository.mkdir()
    (repository / "file").write_text("first\n")
    (repository / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (repository / "backend.py").write_text(BACKEND)
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"], ["update-server-info"]):
        subprocess.run([*git, *arguments], check=True)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), home)


def test_packages_downloads_and_clones_are_pinned_and_replay(bench: Bench, web: str) -> None:
    script = bench.record(f"""
apt-get -qq update
apt install -y sl
python3 -m venv --without-pip /opt/v
python3 -m pip --python /opt/v/bin/python install 'six>=1.15,<1.17'
python3 -m pip --python /opt/v/bin/python install git+{web}/tool/.git
curl -fsSLO {web}/data.bin
wget -q {web}/data.bin -O /opt/other.bin && date +%N > "$(echo thi)rd"
curl -fsSL {web}/install.sh | bash -s -- a 'b c'
git clone -q {web}/tool/.git tool
printf '%s\\n' 1 2 > numbers; sed -i s/1/3/ numbers
/opt/v/bin/python -c 'import six'
python3 -m pip --python /opt/v/bin/python install jinja2
exit
""")
    for pinned in (
        "apt-get install -y sl=",
        "\nsix==1.16.0 --hash=sha256:",
        "install --no-deps --require-hashes -r /tmp/recorded-5.txt\n",
        "/opt/build/data.bin' | sha256sum",
        "/opt/other.bin' | sha256sum",
        "/markupsafe-",
        ".dist-info/REQUESTED\n",
        "bash /tmp/recorded-9.sh a 'b c'\n",
        "reset --quiet --hard ",
        "# no effect: /opt/v/bin/python",
    ):
        assert pinned in script
    assert re.search(r"install git\+http://\S+/tool/\.git@[0-9a-f]{40}\n", script)
    assert "/opt/build/third' | sha256sum" not in script
    verdict = bench.verify()
    assert verdict.against == "the recorded root"
    assert [difference.text() for difference in verdict.real] == ["/opt/build/third: other content"], (
        "it has the time in it"
    )
    assert verdict.as_json()["known_caches"], "logs and compiled Python differ, and are known"


def test_a_user_namespace_is_as_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox of people who are not root."""
    monkeypatch.setenv("LOCALCLOUD_SANDBOX", "bubblewrap-userns")
    bench = Bench(tmp_path, tmp_path / "home")
    asked = "useradd -m alice\nsu alice -c 'touch ~/mine'\nrec as alice -- 'cd && touch too'\n"
    asked += (
        "rec as alice -- sh -c 'echo one two > ~/said; id -un >> ~/said'\nrec check grep -qx 'one two' "
        "~alice/said\n"
    )
    bench.record(
        asked + "alias put='tee -a'\necho x | put /opt/list\nrm /etc/hostname\necho x >> /etc/passwd-\nexit\n"
    )
    assert (
        "\nsu alice -s /bin/bash -c 'cd && touch too'\n"
        in (tmp_path / "blueprints/bench/provision/10-recorded.sh").read_text()
    )
    verdict = bench.verify()
    assert (verdict.words, verdict.real) == ("reproduces", ())
    assert (tmp_path / "blueprints/bench/provision/validate/10-recorded.sh").read_text().count(
        "bash -eo pipefail"
    ) == 1
    assert "(bubblewrap-userns)" in verdict.root


def test_every_difference_is_listed(bench: Bench) -> None:
    script = bench.record(
        "mkdir d\necho $RANDOM$RANDOM > content\ntouch mode owner\nln -s a link\nrm /etc/hostname; date +%N "
        "> /var/log/mine\n"
    )
    path = bench.blueprint.folder / "provision/10-recorded.sh"
    path.write_text(script)
    root = bench.roots.open(
        "record-bench", parent_of(bench.blueprint, bench.roots.account, bench.roots.region).for_image_builder
    )
    other = script.replace(
        "touch mode owner", "touch mode owner more; chmod 600 mode; chown 33 owner"
    ).replace("-s a", "-s b")
    path.write_text(other.replace("rm /etc/hostname", "true").replace("mkdir d", "touch d"))
    try:
        assert replay.run(root, "bench", read(path.parent), lambda line: None) is None
        replay.save_manifest(root, bench.roots.folder("bench"), "other")
        recorded = inventory.load(bench.roots.folder("bench") / replay.MANIFEST, "other")
    finally:
        root.close()
    assert recorded is not None
    path.write_text(script)
    with replay.clean_root(bench.roots, "verify-bench", bench.blueprint) as again:
        assert replay.run(again, "bench", read(path.parent), lambda line: None) is None
        found = {
            difference.path: difference
            for difference in inventory.compare(recorded, inventory.take(again.views()))
        }
    assert {path: difference.what for path, difference in found.items() if difference.cache is None} == {
        "/opt/build/content": "other content",
        "/opt/build/d": "other type file and folder, mode 0644 and 0755, content",
        "/opt/build/link": "other link target b and a",
        "/opt/build/mode": "other mode 0600 and 0644",
        "/opt/build/more": "changed or made only in the first",
        "/opt/build/owner": "other owner 33 and 0",
        "/etc/hostname": "removed only in the replay",
    }
    assert found["/var/log/mine"].cache == "log"


def test_a_kept_layer_lies_under_other_roots(bench: Bench) -> None:
    parent = parent_of(bench.blueprint, bench.roots.account, bench.roots.region).for_image_builder

    def ran(text: str, *over: str) -> LocalRoot:
        root = bench.roots.open("layered", parent, over=over)
        script = Provision((Script("build", "10-x.sh", f"#!/bin/bash\n{text}\n"),), ())
        assert replay.run(root, "bench", script, lambda line: None) is None
        return root

    ran("touch /opt/one /opt/gone; rm /etc/hostname").keep("first")
    ran(
        "test -e /opt/one && test ! -e /etc/hostname && rm /opt/gone && touch /usr/local/bin/two", "first"
    ).keep("second")
    assert sorted(bench.roots.kept("layered")) == ["first", "second"]
    ran("test -e /opt/one && test ! -e /opt/gone && test -e /usr/local/bin/two", "second", "first").close()
    ran("test ! -e /opt/one && test -e /etc/hostname").close()
    bench.roots.forget("layered", ["second"])
    assert bench.roots.kept("layered") == ["second"]
    bench.roots.forget("layered")


def test_a_script_that_fails_is_told_with_its_line(bench: Bench) -> None:
    bench.record("touch x\n")
    path = bench.blueprint.folder / "provision/10-recorded.sh"
    path.write_text("#!/bin/bash\ntouch y\nls /nonesuch\n")
    verdict = bench.verify()
    assert verdict.words == "does not replay: 10-recorded.sh line 3: ls /nonesuch"
    assert not verdict.reproduces
    path.write_text("#!/bin/bash\ndate +%N > /opt/when\n")
    verdict = bench.verify()
    assert (verdict.words, [difference.path for difference in verdict.real]) == (
        "reproduces with 1 difference",
        ["/opt/when"],
    )
