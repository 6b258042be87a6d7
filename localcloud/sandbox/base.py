"""The base root: what every sandbox starts from.

Programs come from the host's ``/usr`` (never copied, mounted underneath). Everything else is a small copy,
made once a host state and kept in ``.local/images/base-<fingerprint>/``:

- ``root/``: ``/etc`` without the host's secrets, people and package-index settings of its own, the package
  database (``/var/lib/dpkg`` and friends), empty ``/home/ubuntu``, ``/root``, ``/opt``, ``/srv``, ``/tmp`` …:
  what happens to be installed in the host's ``/opt``, ``/home`` or ``/usr/local`` is not in an image;
- ``usr/``: an empty ``/usr/local`` that hides the host's, the stand-ins for what needs a real machine
  (``shutdown``, ``systemctl`` …), and, for an ordinary user, a skeleton of all directories of ``/usr`` that
  the user owns: in a user namespace host files belong to nobody, and only files in own directories can be
  added, replaced or removed.
"""

import hashlib
import os
import shutil
import stat
import sys
from pathlib import Path

from localcloud import private

_FORMAT = "8"
"""Raised whenever this module makes another base from the same host."""

PYTHON_MOUNT = "/run/localcloud-python"
"""Where a sandbox sees the interpreter of the project (read-only, not on PATH)."""

_ETC_LEFT_OUT = {
    "shadow", "shadow-", "gshadow", "gshadow-", "passwd", "passwd-", "group", "group-", "subuid", "subuid-",
    "subgid", "subgid-",
    "sudoers", "sudoers.d",
    "machine-id", "hostname", "hosts", "resolv.conf", "environment", "pip.conf", "krb5.keytab", "fstab",
    "mtab", "crypttab",
    "cron.d", "cron.daily",
    "cron.hourly", "crontab", "systemd", "docker", "kubernetes", "NetworkManager", "wireguard", "ppp",
    "netplan", "exports", "motd",
    "update-motd.d",
}  # fmt: skip
_ETC_SECRET_PATHS = {"ssl/private", "apt/auth.conf", "apt/auth.conf.d", "ssh"}
_VAR_KEPT = (
    "lib/dpkg", "lib/apt/extended_states", "lib/pam", "lib/ucf", "lib/python",
    "lib/systemd/deb-systemd-helper-enabled", "lib/rpm",
    "lib/alternatives",
)  # fmt: skip
_ROOT_DIRECTORIES = {
    "dev": 0o755, "proc": 0o755, "run": 0o755, "sys": 0o555, "tmp": 0o1777, "root": 0o700, "home": 0o755,
    "home/ubuntu": 0o755,
    "opt": 0o755, "srv": 0o755,
    "mnt": 0o755, "media": 0o755, "usr": 0o755, "etc": 0o755, "var": 0o755, "var/cache": 0o755,
    "var/cache/apt": 0o755,
    "var/cache/apt/archives": 0o755,
    "var/cache/apt/archives/partial": 0o700, "var/cache/debconf": 0o755, "var/cache/ldconfig": 0o700,
    "var/lib": 0o755,
    "var/lib/apt": 0o755,
    "var/lib/apt/lists": 0o755, "var/lib/apt/lists/partial": 0o700, "var/lib/misc": 0o755,
    "var/lib/localcloud": 0o755, "var/local": 0o755,
    "var/log": 0o755, "var/log/apt": 0o755, "var/mail": 0o755, "var/opt": 0o755, "var/spool": 0o755,
    "var/tmp": 0o1777, "etc/apt": 0o755,
    "etc/apt/apt.conf.d": 0o755, "etc/ssh": 0o755, "etc/ssl/private": 0o700, "etc/systemd/system": 0o755,
    "etc/cron.d": 0o755,
    "etc/cron.daily": 0o755, "etc/sudoers.d": 0o750, "etc/update-motd.d": 0o755,
}  # fmt: skip
_LOCAL_DIRECTORIES = ("bin", "etc", "games", "include", "lib", "sbin", "share", "share/man", "src")
STAND_INS: dict[str, str] = {
    **{f"sbin/{name}": "power.sh" for name in ("shutdown", "poweroff", "halt", "reboot", "init", "telinit")},
    "bin/systemctl": "systemctl.sh",
}
"""Programs that replace the host's in every sandbox (below ``/usr``): they need a machine, and the fleet is
one.
"""

GUEST = Path(__file__).with_name("guest")
UBUNTU_UID = 1000


def base_python() -> Path:
    """The installation (``sys.base_prefix``) of the interpreter that runs us; it is bound into sandboxes at
    ``PYTHON_MOUNT``.
    """
    return Path(sys.base_prefix)


def python_in_sandbox() -> str:
    """The path of the project's interpreter as a sandbox sees it."""
    return f"{PYTHON_MOUNT}/bin/python{sys.version_info.major}.{sys.version_info.minor}"


def _usable_host_python() -> bool:
    """Whether the host's own python3 is good enough for guests: 3.10 or newer, and able to make virtual
    environments.
    """
    versions = sorted(
        int(path.name.removeprefix("python3."))
        for path in Path("/usr/bin").glob("python3.*")
        if path.name[8:].isdigit()
    )
    current = Path("/usr/bin/python3").resolve().name.removeprefix("python3.")
    if not versions or not current.isdigit() or int(current) < 10:
        return False
    return any(
        (root / f"python3.{current}" / "ensurepip").is_dir()
        for root in (Path("/usr/lib"), Path("/usr/lib64"))
    )


def fingerprint(user_namespace: bool) -> str:
    """Changes when the host's packages or accounts change, or this module does."""
    parts = [_FORMAT, str(user_namespace), sys.base_prefix, sys.version]
    for path in (
        "/var/lib/dpkg/status",
        "/etc/passwd",
        "/etc/group",
        "/etc/os-release",
        "/etc/apt",
        "/etc/ssl/certs",
        "/usr/bin",
        "/usr/lib",
        "/usr/sbin",
    ):
        try:
            parts.append(f"{path}:{os.stat(path).st_mtime_ns}")
        except OSError:
            parts.append(path)
    parts += [
        path.name + hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(GUEST.iterdir())
        if path.is_file()
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def prepare(images: Path, *, user_namespace: bool) -> Path:
    """The base for this host state, built if it is not there yet (0.2 s to 2 s, once); older bases are
    removed.

    Returns the folder that holds ``root`` and ``usr``. It appears whole or not at all.
    """
    private.folder(images)
    target = images / f"base-{fingerprint(user_namespace)}"
    if target.is_dir():
        return target
    for old in images.glob("base-*"):
        remove_tree(old)
    building = images / f"base-building-{os.getpid()}"
    try:
        with private.umask(0o022):  # these are folders of machines, where not all are root
            _build(building, user_namespace)
        building.chmod(0o700)
        building.rename(target)
    finally:
        remove_tree(building)
    return target


def _build(target: Path, user_namespace: bool) -> None:
    root, usr = target / "root", target / "usr"
    root.mkdir(parents=True)
    usr.mkdir()
    _copy_tree(Path("/etc"), root / "etc", _leave_out_of_etc)
    for name in _VAR_KEPT:
        source = Path("/var") / name
        if source.is_dir():
            _copy_tree(source, root / "var" / name, lambda _: False)
        elif source.is_file():
            (root / "var" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, root / "var" / name)
    for name, mode in _ROOT_DIRECTORIES.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(mode)
    for name in ("run", "lock"):
        (root / "var" / name).symlink_to("/run" if name == "run" else "/run/lock")
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        host = Path("/") / name
        if host.is_symlink():
            (root / name).symlink_to(os.readlink(host))
        elif host.is_dir():  # an old layout where /bin is not /usr/bin: bound read-only by the sandbox
            (root / name).mkdir()
    _accounts(root / "etc")
    if user_namespace:
        (root / "etc/apt/apt.conf.d/00localcloud").write_text('APT::Sandbox::User "root";\n')
        _skeleton(Path("/usr"), usr)
    _usr(usr, root)


def _leave_out_of_etc(relative: str) -> bool:
    return relative in _ETC_LEFT_OUT or relative in _ETC_SECRET_PATHS


def _copy_tree(source: Path, target: Path, leave_out) -> None:  # type: ignore[no-untyped-def]
    """Copy what can be read; keep modes, links, times and, as root, owners. Set-user-id bits are not kept."""
    own = os.getuid() == 0
    for folder, directories, files in os.walk(source):
        relative = os.path.relpath(folder, source)
        here = target if relative == "." else target / relative
        here.mkdir(parents=True, exist_ok=True)
        links = [name for name in directories if os.path.islink(os.path.join(folder, name))]
        directories[:] = [
            d
            for d in directories
            if d not in links and not leave_out(os.path.normpath(os.path.join(relative, d)))
        ]
        for name in files + links:
            if leave_out(os.path.normpath(os.path.join(relative, name))):
                continue
            path = os.path.join(folder, name)
            try:
                status = os.lstat(path)
                if stat.S_ISLNK(status.st_mode):
                    os.symlink(os.readlink(path), here / name)
                elif (
                    stat.S_ISREG(status.st_mode)
                    and (own or os.access(path, os.R_OK))
                    and (status.st_mode & 0o044 or "dpkg" in folder)
                ):
                    shutil.copyfile(path, here / name)
                    os.chmod(here / name, stat.S_IMODE(status.st_mode) & 0o1777)
                    os.utime(here / name, ns=(status.st_atime_ns, status.st_mtime_ns))
                else:
                    # sockets, devices, and files that only their owner may read: not part of an image
                    continue
                if own:
                    os.chown(here / name, status.st_uid, status.st_gid, follow_symlinks=False)
            except OSError:
                continue  # a file that cannot be read, or that went away meanwhile, is not part of the base
        status = os.stat(folder)
        os.chmod(here, (stat.S_IMODE(status.st_mode) & 0o1777) | stat.S_IRWXU)
        if own:
            os.chown(here, status.st_uid, status.st_gid)


def _accounts(etc: Path) -> None:
    """System accounts of the host (packages refer to them), and ``ubuntu`` instead of its people. No password
    works.
    """
    users = [
        line
        for line in Path("/etc/passwd").read_text().splitlines()
        if line.count(":") == 6 and _system_id(line.split(":")[2])
    ]
    people = {line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines()} - {
        line.split(":")[0] for line in users
    }
    groups = []
    for line in Path("/etc/group").read_text().splitlines():
        fields = line.split(":")
        if len(fields) == 4 and _system_id(fields[2]):
            members = [member for member in fields[3].split(",") if member and member not in people]
            groups.append(":".join([*fields[:3], ",".join(members)]))
    users = ["root:x:0:0:root:/root:/bin/bash" if line.startswith("root:") else line for line in users]
    users.append(f"ubuntu:x:{UBUNTU_UID}:{UBUNTU_UID}:Ubuntu:/home/ubuntu:/bin/bash")
    groups.append(f"ubuntu:x:{UBUNTU_UID}:")
    _text(etc / "passwd", users, 0o644)
    _text(etc / "group", groups, 0o644)
    _text(etc / "shadow", [f"{line.split(':')[0]}:*:20000:0:99999:7:::" for line in users], 0o640)
    _text(etc / "gshadow", [f"{line.split(':')[0]}:*::" for line in groups], 0o640)
    _text(etc / "hosts", ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"], 0o644)
    _text(etc / "hostname", ["localhost"], 0o644)
    _text(etc / "resolv.conf", [], 0o644)
    _text(etc / "machine-id", [], 0o444)
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    _text(etc / "environment", [f'PATH="{path}"'], 0o644)
    _text(etc / "fstab", [], 0o644)
    if os.getuid() == 0:
        os.chown(etc.parent / "home/ubuntu", UBUNTU_UID, UBUNTU_UID)


def _system_id(number: str) -> bool:
    return number.isdigit() and (int(number) < UBUNTU_UID or int(number) == 65534)


def _text(path: Path, lines: list[str], mode: int) -> None:
    path.write_text("".join(line + "\n" for line in lines))
    path.chmod(mode)


def _skeleton(source: Path, target: Path) -> None:
    for folder, directories, _ in os.walk(source):
        relative = os.path.relpath(folder, source)
        if relative == ".":
            directories[:] = [name for name in directories if name != "local"]
        for name in directories:
            if not os.path.islink(os.path.join(folder, name)):
                os.mkdir(os.path.join(target, relative, name), 0o755)


def _usr(usr: Path, root: Path) -> None:
    local = usr / "local"
    local.mkdir()
    os.setxattr(local, "user.overlay.opaque", b"y")  # hides the host's /usr/local
    for name in _LOCAL_DIRECTORIES:
        (local / name).mkdir()
    for place, source in {
        **STAND_INS,
        "sbin/policy-rc.d": "policy-rc.d.sh",
        "local/bin/sudo": "sudo.sh",
    }.items():
        (usr / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(GUEST / source, usr / place)
        (usr / place).chmod(0o755)
    if not _usable_host_python():
        for name in ("python3", f"python3.{sys.version_info.minor}"):
            (local / "bin" / name).symlink_to(python_in_sandbox())
        # found through the host's ld.so.cache when it was in /usr/local/lib
        for library in (base_python() / "lib").glob("libpython*.so*"):
            (local / "lib" / library.name).symlink_to(f"{PYTHON_MOUNT}/lib/{library.name}")


def within(folder: Path, relative: str) -> Path | None:
    """A path below a layer; None when a part of it is a link, which would lead out of the layer and into this
    machine.
    """
    path = folder
    for part in Path(relative).parts:
        path = path / part
        if path.is_symlink():
            return None
    return path


def remove_tree(path: Path) -> None:
    """Remove a folder whatever its modes are (overlay work directories have mode 000); nothing happens when
    it is not there.
    """

    def repair(function, failed, _):  # type: ignore[no-untyped-def]
        parent = os.path.dirname(failed)
        os.chmod(parent, 0o700)
        if os.path.isdir(failed) and not os.path.islink(failed):
            os.chmod(failed, 0o700)
            if function is not os.rmdir:
                shutil.rmtree(failed)
                return
        function(failed)

    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path, onerror=repair)
