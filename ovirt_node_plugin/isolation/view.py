"""The filesystem that sealed code sees: programs of this machine, read-only, and the root.

``enter`` builds it in a mount namespace of its own from a list of permitted paths. Everything
else of this machine is absent: most of /etc, and all of /home, /run and /sys.
"""
from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Collection, Iterable, List, Tuple

from ..system.kernel import (
    MNT_DETACH,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    MS_SLAVE,
    Mount,
    mount,
    mounts_below,
    pivot_root,
    restrict_mounts,
    unmount,
)

# What programs, rpm and the dynamic loader need of this machine.
_PROGRAMS = ("usr", "bin", "sbin", "lib", "lib64", "lib32")
_CONFIGURATION = (
    "alternatives", "crypto-policies", "group", "host.conf", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "locale.conf", "localtime", "nsswitch.conf", "passwd", "pki/tls/openssl.cnf",
    "rpm", "selinux", "ssl/openssl.cnf")
# Entries of /proc that are replaced by an empty file.
_PROC_EMPTY = ("kcore", "keys", "key-users", "timer_list", "latency_stats", "kmsg",
               "sched_debug")
# Documentation/admin-guide/devices.txt of the kernel
DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9),
            ("tty", 5, 0))
DEVICE_LINKS = (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                 ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2"),
                 ("ptmx", "pts/ptmx"))
# Filesystems that show the kernel and are not part of a root.
_KERNEL_FILESYSTEMS = frozenset((
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts",
    "devtmpfs", "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore",
    "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs"))
_SELINUX = "/sys/fs/selinux"
_SELINUX_QUERIES = ("access", "context", "create", "member", "relabel")
# Mounts of these in the root, made to run programs there, are covered, with all below them.
_RUNTIME = ("/dev", "/proc", "/run", "/sys")
# Mounts of these folders of this machine, or of folders in them, may not be in the root; of
# the second group, only the whole folder counts: work folders may be in one of them.
_SYSTEM = ("/bin", "/boot", "/etc", "/lib", "/usr")
_WHOLE = ("/home", "/opt", "/root", "/srv", "/var")
_READ_ONLY = MS_RDONLY | MS_NOSUID | MS_NODEV
_TEMPORARY = "mode=1777,size=1g"
_FOR_EVERYBODY = ("tmp", "var/tmp")
_OLD, _NEW = "/old", "/new"

# A folder as its filesystem's device and the path in that filesystem.
_Folder = Tuple[str, str]


@dataclass(frozen=True)
class View:
    """What sealed code sees besides the programs of this machine.

    ``root`` is an absolute path without links; it is mounted at that path, and nothing else is
    writable. ``readable`` are absolute paths outside of it. With ``own_devices`` the root's
    /dev is a small one in memory, otherwise the one in the root. With ``nodes`` device nodes in
    the root work, which rpm needs to unpack one. ``temporary`` is a folder of this machine that
    is mounted, writable, as the root's /tmp. ``volatile`` are folders in the root, such as
    ``var/tmp``, that are empty and in memory.
    ``shown`` are files and folders of this machine, each with the path in the root where it can
    be read, and only read.
    """

    root: str
    readable: Tuple[str, ...] = ()
    own_devices: bool = True
    nodes: bool = False
    temporary: str = ""
    volatile: Tuple[str, ...] = ()
    shown: Tuple[Tuple[str, str], ...] = ()


def own_folders_in(root: str) -> List[str]:
    """Return the mount points in ``root``, an absolute path, that show this machine's folders.

    These are folders of the system such as /etc, folders in them, and folders that contain
    them. What is mounted there is not part of the root, but scriptlets could change it.
    """
    system, whole = _folders(_SYSTEM), _folders(_WHOLE)
    return [record.path for record in mounts_below(root)
            if record.path != root and os.path.isdir(record.path)
            and (any(_shows(record, folder) for folder in system)
                 or any(_contains(record, folder) for folder in (*system, *whole)))]


def enter(view: View) -> None:
    """Restrict this process, and all that it starts, to ``view``.

    The process must have a mount namespace of its own. Raises OSError if a mount is refused.
    """
    mount(None, "/", None, MS_REC | MS_SLAVE)  # an unmount outside is one here, too
    covered = _folders((*_RUNTIME, *_SYSTEM))
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=16m")
    for name in (_OLD, _NEW):
        os.mkdir(f"/tmp{name}")
    pivot_root("/tmp", f"/tmp{_OLD}")
    os.chdir("/")
    mount("tmpfs", _NEW, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=16m")
    for name in ("dev", "old", "proc", "root", "run", "tmp", "var/tmp"):
        os.makedirs(f"{_NEW}/{name}")
    for name in ("tmp", "var/tmp"):  # before the root, which may lie below one of them
        mount("tmpfs", f"{_NEW}/{name}", "tmpfs", MS_NOSUID | MS_NODEV, _TEMPORARY)
    _bind_programs()
    _bind_readable([*(f"/etc/{name}" for name in _CONFIGURATION), *view.readable])
    _fill_dev(f"{_NEW}/dev")
    _fill_proc(f"{_NEW}/proc")
    _bind_selinux()
    _bind_root(view, covered)
    pivot_root(_NEW, f"{_NEW}/old")
    os.chdir("/")
    unmount("/old", MNT_DETACH)  # nothing of the old tree remains
    mount(None, "/", None, MS_REMOUNT | MS_BIND | _READ_ONLY)


def _bind_selinux() -> None:
    """Show selinuxfs, with which rpm determines the labels of files, for queries only."""
    source = f"{_OLD}{_SELINUX}"
    if not os.path.isdir(f"{source}/booleans"):
        return
    place = _place(_SELINUX, folder=True)
    _bind_read_only(source, place)
    for name in _SELINUX_QUERIES:
        if os.path.exists(f"{source}/{name}"):
            mount(f"{source}/{name}", f"{place}/{name}", None, MS_BIND)


def _folders(paths: Iterable[str]) -> List[_Folder]:
    """Return the folders that exist of ``paths``, absolute paths of this machine."""
    mounts = list(mounts_below("/"))
    folders = []
    for path in map(os.path.realpath, filter(os.path.isdir, paths)):
        # of several mounts at one path, the last
        above = max((record for record in mounts
                     if f"{path}/".startswith(f"{record.path.rstrip('/')}/")),
                    key=lambda record: len(record.path))
        inside = os.path.relpath(path, above.path)
        folders.append((above.device, os.path.normpath(os.path.join(above.source, inside))))
    return folders


def _shows(record: Mount, folder: _Folder) -> bool:
    """Return whether a mount shows ``folder`` or something in it."""
    device, path = folder
    return record.device == device and f"{record.source}/".startswith(f"{path.rstrip('/')}/")


def _contains(record: Mount, folder: _Folder) -> bool:
    """Return whether a mount shows a folder that contains ``folder``."""
    device, path = folder
    return record.device == device and f"{path}/".startswith(f"{record.source.rstrip('/')}/")


def _bind_programs() -> None:
    for name in _PROGRAMS:
        source = f"{_OLD}/{name}"
        if os.path.islink(source):
            os.symlink(os.readlink(source), f"{_NEW}/{name}")
        elif os.path.isdir(source):
            _bind_read_only(source, _place(f"/{name}", folder=True))


def _bind_readable(paths: Iterable[str]) -> None:
    """Mount what each path leads to, once, and make the same symbolic links."""
    for path in sorted(paths):  # a folder comes before what is in it
        real = _real(path)
        if not os.path.exists(_OLD + real):
            continue  # systems differ
        if not os.path.lexists(_NEW + real):
            _bind_read_only(_OLD + real, _place(real, folder=os.path.isdir(_OLD + real)))
        if not os.path.lexists(_NEW + path):
            os.makedirs(os.path.dirname(_NEW + path), exist_ok=True)
            os.symlink(real, _NEW + path)


def _real(path: str) -> str:
    """Return the path without links to which ``path`` leads in the old tree."""
    real = ""
    rest = [name for name in path.split("/") if name][::-1]
    for _ in range(256):
        if not rest:
            break
        name = rest.pop()
        if name == "..":
            real = os.path.dirname(real).rstrip("/")
        elif os.path.islink(f"{_OLD}{real}/{name}"):
            target = os.readlink(f"{_OLD}{real}/{name}")
            real = "" if target.startswith("/") else real
            rest += [part for part in target.split("/") if part not in ("", ".")][::-1]
        else:
            real = f"{real}/{name}"
    return real


def _place(path: str, *, folder: bool) -> str:
    """Make a mount point in the new tree for an absolute path; return it."""
    place = _NEW + path
    os.makedirs(place if folder else os.path.dirname(place), exist_ok=True)
    if not folder and not os.path.lexists(place):
        _make_file(place)
    return place


def _make_file(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def _bind_read_only(source: str, target: str) -> None:
    mount(source, target, None, MS_BIND | MS_REC)
    restrict_mounts(target, _READ_ONLY, mountinfo=f"{_OLD}/proc/self/mountinfo")


def _fill_dev(place: str) -> None:
    """Make a writable /dev in which only these devices work.

    Each device is mounted by itself from a filesystem that allows devices, because a new node
    must not work in a /dev where programs can make one.
    """
    nodes = "/devices"
    os.mkdir(nodes)
    mount("tmpfs", nodes, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=1m")
    mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64m")
    for name, major, minor in DEVICES:
        os.mknod(f"{nodes}/{name}", stat.S_IFCHR, os.makedev(major, minor))
        os.chmod(f"{nodes}/{name}", 0o666)
        _make_file(f"{place}/{name}")
        mount(f"{nodes}/{name}", f"{place}/{name}", None, MS_BIND)
    for name, target in DEVICE_LINKS:
        os.symlink(target, f"{place}/{name}")
    for name in ("pts", "shm"):
        os.mkdir(f"{place}/{name}")
    mount("devpts", f"{place}/pts", "devpts", MS_NOSUID | MS_NOEXEC,
          "newinstance,ptmxmode=0666,mode=620")
    mount("tmpfs", f"{place}/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
          "mode=1777,size=64m")


def _fill_proc(place: str) -> None:
    """Mount a /proc in which everything but processes is read-only, or empty.

    Those entries are the same in every /proc of the kernel, also their modes and owners.
    """
    mount("proc", place, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    empty = "/empty"
    os.close(os.open(empty, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o000))
    for name in os.listdir(place):
        entry = f"{place}/{name}"
        if not name.isdigit() and not os.path.islink(entry):
            _bind_read_only(empty if name in _PROC_EMPTY else entry, entry)


def _bind_root(view: View, covered: Collection[_Folder]) -> None:
    """Mount the root with all that is mounted in it, except for files and /dev of this machine.

    ``covered`` are folders of this machine whose mounts in the root are left out.
    """
    place = _place(view.root, folder=True)
    mount(_OLD + view.root, place, None, MS_BIND | MS_REC)
    mountinfo = f"{_OLD}/proc/self/mountinfo"
    for record in reversed(list(mounts_below(place, mountinfo))):
        if record.path != place and (record.kind in _KERNEL_FILESYSTEMS or any(
                _shows(record, folder) for folder in covered)):
            unmount(record.path, MNT_DETACH)
    if not view.nodes:
        restrict_mounts(place, MS_NODEV, mountinfo=mountinfo)
    _mount_in_root(place, "proc", f"{_NEW}/proc")
    if view.own_devices:
        _mount_in_root(place, "dev", f"{_NEW}/dev")
    if view.temporary:
        _mount_in_root(place, "tmp", _OLD + view.temporary)
    for number, name in enumerate(view.volatile):
        source = f"/volatile-{number}"
        os.mkdir(source)
        mount("tmpfs", source, "tmpfs", MS_NOSUID | MS_NODEV,
              _TEMPORARY if name in _FOR_EVERYBODY else "mode=755,size=64m")
        _mount_in_root(place, name, source)
    for source, name in view.shown:
        _mount_in_root(place, name, _OLD + _real(source), read_only=True)


def _mount_in_root(place: str, name: str, source: str, *, read_only: bool = False) -> None:
    """Mount ``source`` at ``name`` in the root, if that exists there and no link leads to it."""
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptors = []
    try:
        descriptors.append(os.open(place, flags | os.O_DIRECTORY))
        *folders, last = name.split("/")
        for folder in folders:
            descriptors.append(os.open(folder, flags | os.O_DIRECTORY, dir_fd=descriptors[-1]))
        descriptors.append(os.open(last, flags, dir_fd=descriptors[-1]))
        same_kind = stat.S_IFMT(os.fstat(descriptors[-1]).st_mode) == stat.S_IFMT(
            os.stat(source).st_mode)
        # by the descriptor, so that a link which replaces it is not followed
        if same_kind:
            target = f"{_OLD}/proc/self/fd/{descriptors[-1]}"
            mount(source, target, None, MS_BIND | MS_REC)
            if read_only:
                mount(None, f"{place}/{name}", None, MS_REMOUNT | MS_BIND | _READ_ONLY)
    except (FileNotFoundError, NotADirectoryError):
        return
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
