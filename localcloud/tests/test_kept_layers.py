"""Layers of finished builds that are taken again (`LOCALCLOUD_LAYERS`): by which builds, and that they are
the same.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localcloud.images.layerfiles import copied, digest
from localcloud.images.layers import Layers
from localcloud.tests.bases import isolated
from localcloud.tests.fleet_fakes import RunningFleet, running_fleet
from localcloud.tests.image_builds import ROOT, finish, image_id, log, start

pytestmark = pytest.mark.local

TAKEN = "the same build ran before"
MAKES = """\
mkdir -p /opt/tool /srv/shared
date +%s%N > /opt/tool/when
ln /opt/tool/when /opt/tool/same
ln -s when /opt/tool/link
install -m 4750 -o ubuntu -g ubuntu /dev/null /opt/tool/odd
chmod 1777 /srv/shared
rm /usr/bin/env
rm -r /home/ubuntu && mkdir /home/ubuntu
echo "::manifest:: made"
"""


def document(script: str, phase: str = "build") -> str:
    body = "".join(f"              {line}\n" for line in script.splitlines())
    return (
        f"schemaVersion: 1.0\nphases:\n  - name: {phase}\n    steps:\n      - name: script\n"
        f"        action: ExecuteBash\n        inputs:\n          commands:\n            - |\n{body}"
    )


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "layers"


def fleet_in(home: Path, layers: Path | None) -> Iterator[RunningFleet]:
    isolated(home)
    with running_fleet(home, **({"LOCALCLOUD_LAYERS": str(layers)} if layers else {})) as running:
        yield running


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, layers: Path) -> Iterator[RunningFleet]:
    yield from fleet_in(tmp_path_factory.mktemp("one"), layers)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, layers: Path) -> Iterator[RunningFleet]:
    """Another cloud of the same computer."""
    yield from fleet_in(tmp_path_factory.mktemp("other"), layers)


def built(fleet: RunningFleet, number: int, text: str, parent: str = ROOT) -> tuple[Path, bool]:
    """The layer of a finished build, and whether it was taken from the cache."""
    arn = start(fleet, number, text, parent=parent)
    done = finish(fleet, arn)
    assert done["status"] == "AVAILABLE", done
    return fleet.home / "images" / image_id(number) / "layer", TAKEN in log(fleet, arn)


def steps(fleet: RunningFleet, number: int) -> list[tuple[str, str]]:
    told = [body["step"] for _, kind, body in fleet.emulator.events
            if kind == "builds" and f"recipe-{number}/" in body["arn"] and body["step"]]  # fmt: skip
    return [(step["name"], step["status"]) for step in told]


def test_the_same_build_is_taken_and_its_layer_is_the_same(one: RunningFleet, other: RunningFleet) -> None:
    first, taken = built(one, 1, document(MAKES))
    assert not taken
    second, taken = built(other, 2, document(MAKES))
    assert taken
    assert digest(first) == digest(second)
    tool = second / "root/opt/tool"
    assert (tool / "odd").stat().st_mode & 0o7777 == 0o4750
    assert (tool / "odd").stat().st_uid == (first / "root/opt/tool/odd").stat().st_uid
    assert (tool / "same").stat().st_ino == (tool / "when").stat().st_ino
    assert os.readlink(tool / "link") == "when"
    assert (second / "root/srv/shared").stat().st_mode & 0o7777 == 0o1777
    assert steps(one, 1) == steps(other, 2), "what is told of it is the same"


def test_a_machine_of_a_taken_layer_has_what_was_made_and_not_what_was_removed(other: RunningFleet) -> None:
    script = "#!/bin/bash\ntest -s /opt/tool/when && echo made\ntest -e /usr/bin/env || echo no env\n"
    built(other, 3, document(MAKES))
    machine = other.emulator.launch(1, f"{script}shutdown -h now\n", image_id=image_id(3))
    other.emulator.until_state(machine, "terminated")
    assert "made\nno env" in other.console(machine)


def test_what_is_built_on_the_same_layer_is_taken_too(one: RunningFleet, other: RunningFleet) -> None:
    below = {}
    for number, fleet in ((10, one), (11, other)):
        below[number], _ = built(fleet, number, document("date +%N > /opt/below"))
    above = document("cat /opt/below > /opt/above")
    built(one, 12, above, parent=image_id(10))
    layer, taken = built(other, 13, above, parent=image_id(11))
    assert taken
    assert (layer / "root/opt/above").read_text() == (below[11] / "root/opt/below").read_text()


def test_another_script_or_parent_is_built(one: RunningFleet, other: RunningFleet) -> None:
    same = "date +%N > /opt/own"
    built(one, 20, document(same))
    assert built(other, 21, document(same))[1]
    for number, text, parent in (
        (22, document(same + "\n"), ROOT),
        (23, document(same + "\n# another"), ROOT),
        (24, document(same), image_id(21)),
    ):
        _, taken = built(other, number, text, parent=parent)
        assert taken is (number == 22), number  # a last line's end is no content


def test_a_test_that_fails_is_run_on_a_taken_layer_too(one: RunningFleet, other: RunningFleet) -> None:
    for number, fleet in ((30, one), (31, other)):
        arn = start(fleet, number, document("touch /opt/for-tests"), document("test -e /opt/missing", "test"))
        assert finish(fleet, arn)["status"] == "FAILED"
        assert (TAKEN in log(fleet, arn)) is (fleet is other)


def replaced(file: Path) -> None:
    file.unlink()
    file.write_text("something else")


def test_a_damaged_layer_is_built_again(one: RunningFleet, other: RunningFleet, layers: Path) -> None:
    text = document("date +%N > /opt/damaged")
    built(one, 40, text)
    damages: tuple[Callable[[Path], object], ...] = (
        replaced,
        lambda file: file.unlink(),
        lambda file: file.chmod(0o600),
        lambda file: (file.parents[3] / "about.json").write_text("{"),
    )
    for number, damage in enumerate(damages, 41):
        (file,) = layers.glob("*/layer/root/opt/damaged")
        damage(file)
        layer, taken = built((one, other)[number % 2], number, text)
        assert not taken, number
        assert (layer / "root/opt/damaged").read_text() != "something else"
    assert built(other, 45, text)[1]


def test_without_the_variable_nothing_is_kept(tmp_path: Path) -> None:
    for fleet in fleet_in(tmp_path / "cloud", None):
        assert not built(fleet, 1, document("true"))[1]
        assert not built(fleet, 2, document("true"))[1]
        assert not list(fleet.home.glob("images/*/content"))


def tree(folder: Path) -> Path:
    (folder / "root/etc").mkdir(parents=True)
    (folder / "root/etc/file").write_text("text")
    return folder


def test_copies_on_another_file_system_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tree(tmp_path / "made")
    (made / "root/etc/link").symlink_to("file")
    (made / "root/etc/file").chmod(0o640)
    os.link(made / "root/etc/file", made / "root/etc/again")
    (made / "root/etc").chmod(0o2755)
    if os.geteuid() == 0:
        os.mknod(made / "root/etc/gone", 0o020000, 0)
        os.chown(made / "root/etc/link", 1, 2, follow_symlinks=False)
        os.chown(made / "root/etc", 1000, 1000)
        os.setxattr(made / "root/etc", "trusted.overlay.opaque", b"y")
    link = os.link

    def far(source: Path, target: Path, **more: bool) -> None:
        if str(source).startswith(str(made)):
            raise OSError("another file system")
        link(source, target, **more)

    monkeypatch.setattr(os, "link", far)
    copied(made, tmp_path / "copy")
    assert digest(tmp_path / "copy") == digest(made)
    etc = tmp_path / "copy/root/etc"
    assert (etc / "file").stat().st_ino == (etc / "again").stat().st_ino
    assert (etc / "file").stat().st_ino != (made / "root/etc/file").stat().st_ino
    assert etc.stat().st_mtime_ns == (made / "root/etc").stat().st_mtime_ns


def test_many_at_once_keep_and_take_one_whole_layer(tmp_path: Path) -> None:
    layers, made, wrong = Layers(tmp_path / "layers"), tree(tmp_path / "made"), []

    def work(number: int) -> None:
        for turn in range(20):
            target = tmp_path / f"{number}-{turn}"
            if layers.take("key", target) is None:
                layers.keep("key", made, [])
            elif digest(target) != digest(made):
                wrong.append(target)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert [entry.name for entry in (tmp_path / "layers").iterdir()] == ["key"]


def test_what_is_old_or_one_too_many_goes(tmp_path: Path) -> None:
    layers, made = Layers(tmp_path / "layers"), tree(tmp_path / "made")
    for number in range(12):
        layers.keep(f"key{number}", made, [{"type": "log", "line": str(number)}])
        os.utime(tmp_path / f"layers/key{number}/used", (1, 1) if number > 9 else None)
    left = {entry.name for entry in (tmp_path / "layers").iterdir()}
    assert left == {*(f"key{number}" for number in range(3, 10)), "key11"}
    about = tmp_path / "layers/key9/about.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"made": 1.0}))
    assert layers.take("key9", tmp_path / "old") is None
    assert not (tmp_path / "old").exists()
    assert not (tmp_path / "layers/key9").exists()
    found = layers.take("key8", tmp_path / "new")
    assert found is not None
    assert found.events == [{"type": "log", "line": "8"}]
