"""Local images: chains of layers, what can be deleted, and what is refused in words."""

from pathlib import Path

import pytest

from localcloud.images.catalogue import BASE_IMAGES, image_id
from localcloud.images.store import Image, ImageError, Images
from localcloud.sandbox import base, cleanup
from localcloud.sandbox.hostaccess import collect, passed_on, remove_mount_points

ROOT = BASE_IMAGES[0].image_id


def layer(folder: Path, name: str) -> Path:
    place = folder / name
    (place / "root").mkdir(parents=True)
    (place / "usr").mkdir()
    (place / "root" / name).write_text(name)
    return place


def image(identifier: str, parent: str, **more: str) -> Image:
    return Image(
        identifier, parent, "layer", "2026-01-01T00:00:00Z", "arn:build", more.get("mode", "bubblewrap")
    )


@pytest.fixture
def images(tmp_path: Path) -> Images:
    store = Images(tmp_path / "images", "bubblewrap")
    store.add(image("ami-1", ROOT), layer(tmp_path, "one"))
    store.add(image("ami-2", "ami-1"), layer(tmp_path, "two"))
    return store


def test_chain_is_nearest_first(images: Images) -> None:
    assert [path.parent.name for path in images.chain("ami-2")] == ["ami-2", "ami-1"]
    assert images.chain(ROOT) == ()
    assert [found.image_id for found in images.all()] == ["ami-1", "ami-2"]


def test_parents_are_not_deleted_under_their_children(images: Images) -> None:
    with pytest.raises(ImageError, match="parent of ami-2"):
        images.delete("ami-1")
    images.delete("ami-2")
    images.delete("ami-1")
    images.delete("ami-1")
    assert images.all() == []


def test_unusable_images_are_explained(images: Images, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="ami-3 has no layer"):
        images.chain("ami-3")
    images.add(image("ami-4", ROOT, mode="bubblewrap-userns"), layer(tmp_path, "four"))
    with pytest.raises(ImageError, match="baked in mode"):
        images.chain("ami-4")
    with pytest.raises(ImageError, match="allows no namespaces"):
        images.chain_without_layers("ami-1")
    base.remove_tree(images.folder("ami-1") / "layer")
    with pytest.raises(ImageError, match="is gone"):
        images.chain("ami-2")


def test_a_ring_of_parents_is_no_endless_loop(images: Images) -> None:
    images.add(image("ami-5", "ami-6"), None)
    images.add(image("ami-6", "ami-5"), None)
    with pytest.raises(ImageError):
        images.chain("ami-5")


def test_clean_removes_half_made_images(images: Images, tmp_path: Path) -> None:
    (tmp_path / "images" / ".ami-9.new").mkdir()
    images.clean()
    assert not (tmp_path / "images" / ".ami-9.new").exists()


def test_base_images_have_stable_distinct_ids() -> None:
    assert len({entry.image_id for entry in BASE_IMAGES}) == len(BASE_IMAGES)
    for entry in BASE_IMAGES:
        assert entry.image_id == image_id(entry.name)
        assert len(entry.image_id) == 21
    assert image_id("a") == "ami-ca978112ca1bbdcaf"


def test_only_registry_settings_pass() -> None:
    given = {
        "PIP_INDEX_URL": "u",
        "https_proxy": "p",
        "SSL_CERT_FILE": "/etc/ssl/x",
        "AWS_SECRET_ACCESS_KEY": "s",
        "PIP_TARGET": "/x",
        "TOKEN": "t",
    }
    assert set(collect(given).environment) == {"PIP_INDEX_URL", "https_proxy", "SSL_CERT_FILE"}
    assert set(passed_on({**given, "LOCALCLOUD_MAX_INSTANCES": "2"})) == {
        "PIP_INDEX_URL",
        "https_proxy",
        "SSL_CERT_FILE",
        "LOCALCLOUD_MAX_INSTANCES",
    }


def test_files_named_by_settings_are_bound(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    assert (str(wheels), str(wheels)) in collect({"PIP_FIND_LINKS": f"{wheels} https://x.invalid/"}).binds


def test_mount_points_leave_no_trace(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "c").mkdir()
    (tmp_path / "a" / "c" / "kept").write_text("x")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "conf").touch()
    remove_mount_points(tmp_path, [("/h", "/a/b"), ("/h", "/a/c"), ("/h", "/etc/conf")])
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["a", "a/c", "a/c/kept"]


def test_clean_up_removes_caches_and_identities(tmp_path: Path) -> None:
    for name in (
        "var/cache/apt/archives/x.deb",
        "tmp/junk",
        "var/log/apt/history.log",
        "etc/machine-id",
        "etc/ssh/ssh_host_key",
        "root/.cache/pip/x",
        "root/.ssh/authorized_keys",
        "home/someone/.ssh/authorized_keys",
        "opt/kept",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    cleanup.clean(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] == ["opt/kept"]


def test_links_in_a_layer_do_not_lead_clean_up_into_the_host(tmp_path: Path) -> None:
    host, upper = tmp_path / "host", tmp_path / "upper"
    kept = [
        host / name
        for name in (
            "apt/archives/x.deb",
            ".ssh/authorized_keys",
            "ssh_host_key",
            "machine-id",
            "pip/pip.conf",
        )
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for place in ("var/cache", "home/someone", "etc/ssh", "tmp", "root/.config"):
        (upper / place).parent.mkdir(parents=True, exist_ok=True)
        (upper / place).symlink_to(host)
    (upper / "etc/machine-id").symlink_to(host / "machine-id")
    cleanup.clean(upper)
    remove_mount_points(upper, [("/h", "/root/.config/pip/pip.conf"), ("/h", "/tmp/apt")])
    assert all(path.is_file() for path in kept)


def test_remove_tree_does_not_stop_at_modes(tmp_path: Path) -> None:
    (tmp_path / "a" / "work").mkdir(parents=True)
    (tmp_path / "a" / "work" / "x").write_text("x")
    (tmp_path / "a" / "work").chmod(0)
    base.remove_tree(tmp_path / "a")
    assert not (tmp_path / "a").exists()
