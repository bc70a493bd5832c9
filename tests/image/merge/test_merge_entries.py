"""Entries of every kind in a root stay as they were when the image around them is changed."""
from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import struct
from pathlib import Path
from typing import Dict, Iterator, Set, Tuple

import pytest

from ovirt_node_plugin.compare.trees import differences
from ovirt_node_plugin.errors import RolledBack
from ovirt_node_plugin.images.draft import draft
from ovirt_node_plugin.images.image import opened
from ovirt_node_plugin.images.iso.iso import IsoChanges
from ovirt_node_plugin.images.mounts import mounted
from ovirt_node_plugin.images.writable import copy_tree, needs_copy, writable
from ovirt_node_plugin.merge import verify
from ovirt_node_plugin.registry.places import ETC, IMAGE, PRISTINE
from ovirt_node_plugin.system.path_sets import REGISTRIES
from ovirt_node_plugin.system.progress import Silent
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import succeeded
from tests.support.program import Program

pytestmark = pytest.mark.root

FILESYSTEMS = ("ext4", "xfs")
FORMS = ("folder", "tree", *FILESYSTEMS)
# linux/capability.h, struct vfs_cap_data, and linux/posix_acl_xattr.h: user 5 may read and write
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in (
    (1, 6, 2**32 - 1), (2, 6, 5), (4, 4, 2**32 - 1), (16, 6, 2**32 - 1), (32, 4, 2**32 - 1)))
ATTRIBUTES = {
    "user.a": b"1", "user.empty": b"", f"user.{'n' * 200}": b"v" * 500, "trusted.a": b"\0\xff",
    "trusted.overlayx": b"1", "security.other": b"1", "security.capability": CAPABILITY,
    # cp --archive leaves these out
    "security.evm": b"\5abc", "user.Beagle.x": b"1"}
_FS_IOC_FSGETXATTR = 0x801C581F  # linux/fs.h
STORE = "var/lib/containers/storage/overlay"
# overlayfs.rst of the kernel, each with its value
OVERLAY_ATTRIBUTES = {
    "opaque": b"y", "redirect": b"/etc", "impure": b"y", "origin": bytes(29), "metacopy": b"",
    "nlink": b"U+1", "protattr": b"i", "whiteout": b"", "overlay.opaque": b"y"}
TEMPORARY = {"usr/share/rpm/rpmdb.sqlite-shm", "usr/share/rpm/rpmdb.sqlite-wal",
             "usr/share/rpm/.rpm.lock"}
# What an install and the removal leave: the databases of rpm and DNF, which list both changes
STATE = {"usr/share/dnf/history.sqlite", "usr/share/rpm/rpmdb.sqlite"}
# What a merge adds: the plugin's files, what lists them, and the history of the transaction
ADDED = {"opt/agent", "opt/agent/text", *REGISTRIES,
         *(path for place in (ETC, IMAGE, PRISTINE) for path in place.files("agent")),
         "usr/share/ovirt-node-plugin", "usr/share/ovirt-node-plugin/image.json",
         "usr/share/dnf/history.sqlite"}


def make_entries(folder: Path, form: str) -> None:
    """Make an entry of every kind that the form of image can contain."""
    folder.mkdir()
    for mode in (0, 0o400, 0o1777, 0o2755, 0o4755, 0o7777):
        (folder / f"file-{mode:o}").write_text("x")
        (folder / f"folder-{mode:o}").mkdir()
        for name in ("file", "folder"):
            os.chmod(folder / f"{name}-{mode:o}", mode)
    os.chown(folder / "file-400", 2**32 - 3, 123456)
    for raw in (b"\xff\xfe", b"new\nline", b" blank ", b"-rf", b"back\\slash", b"'\"", b"n" * 255,
                 b"*", b"\x1b[0m"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + raw)).write_text("x")
    (folder / "a").mkdir()
    (folder / "b/c").mkdir(parents=True)
    (folder / "a/link").write_text("linked")
    for name in ("b/c/link", "link"):
        os.link(folder / "a/link", folder / name)
    _make_special(folder)
    _make_sparse(folder, 1 << 20 if form == "tree" else 4 << 30)  # mksquashfs reads every hole
    for name, value in ATTRIBUTES.items():
        os.setxattr(folder / "link", name, value)
    os.setxattr(folder / "long", "trusted.a", b"1", follow_symlinks=False)
    for nanoseconds in (0, 16 * 10**17 + 123456789, (2**31 - 2) * 10**9 + 5):
        (folder / f"time-{nanoseconds}").touch()
        os.utime(folder / f"time-{nanoseconds}", ns=(0, nanoseconds))
    if form != "tree":  # what a squashfs cannot contain
        os.setxattr(folder / "link", "system.posix_acl_access", ACL)
        os.setxattr(folder / "a", "system.posix_acl_default", ACL)
        os.utime(folder / "a", ns=(0, -10**17 + 5))
    if form in FILESYSTEMS:
        run(["chattr", "+d", folder / "b"])
        run(["chattr", "+a", folder / "file-7777"])
        if form == "xfs":  # an ext4 needs quotas to have project ids
            run(["chattr", "-p", "7", folder / "file-2755"])
        run(["chattr", "+i", folder / "file-0", folder / "folder-0"])


def _make_special(folder: Path) -> None:
    os.symlink("t" * 1000, folder / "long")
    os.symlink(b"/\xff", os.fsencode(folder / "bytes"))
    os.mkfifo(folder / "fifo")
    os.link(folder / "fifo", folder / "fifo-link")
    with socket.socket(socket.AF_UNIX) as server:
        handle = os.open(folder, os.O_PATH)
        server.bind(f"/proc/self/fd/{handle}/socket")
        os.close(handle)
    for name, kind, device in (("zero", stat.S_IFBLK, (0, 0)), ("null", stat.S_IFCHR, (1, 3)),
                               ("one", stat.S_IFCHR, (0, 1)), ("minor", stat.S_IFCHR, (0, 256)),
                               ("large", stat.S_IFBLK, (511, 2**18 - 1))):
        os.mknod(folder / name, 0o640 | kind, os.makedev(*device))


def _make_sparse(folder: Path, large_bytes: int) -> None:
    for name, start, size in (("hole", 0, 3 << 20), ("sparse", 1 << 20, 3 << 20),
                              ("large", large_bytes, large_bytes + 7)):
        with open(folder / f"sparse-{name}", "wb") as stream:
            stream.truncate(size)
            if start:
                stream.seek(start)
                stream.write(b"middle")


def make_containers(root: Path) -> None:
    """Make what containers-storage writes with its overlay driver, and each attribute."""
    layer = root / STORE / "0a1b/diff"
    (layer / "etc").mkdir(parents=True)
    os.mknod(layer / "etc/removed", 0o600 | stat.S_IFCHR, os.makedev(0, 0))
    os.link(layer / "etc/removed", layer / "removed")
    for namespace in ("trusted", "user"):
        for name, value in OVERLAY_ATTRIBUTES.items():
            folder = layer / f"{namespace}-{name}"
            folder.mkdir()
            os.setxattr(folder, f"{namespace}.overlay.{name}", value)
            (folder / "file").write_text(name)
            os.link(folder / "file", layer / f"{namespace}-{name}-link")
            os.setxattr(folder / "file", f"{namespace}.overlay.{name}", value)


def state(root: Path) -> Dict[str, Tuple[object, ...]]:
    """Return all that a merge has to keep of the entries made above, by path."""
    entries: Dict[str, Tuple[object, ...]] = {}
    first: Dict[int, str] = {}
    for top in ("entries", STORE):
        for path in sorted(_paths_below(root / top)):
            info, name = path.lstat(), str(path.relative_to(root))
            link = stat.S_ISLNK(info.st_mode)
            small = stat.S_ISREG(info.st_mode) and info.st_size < 8 << 20
            entries[name] = (
                info.st_mode, info.st_uid, info.st_gid, info.st_size, info.st_mtime_ns,
                info.st_rdev, info.st_nlink, first.setdefault(info.st_ino, name),
                info.st_blocks * 512 < max(info.st_size, 1 << 20),
                os.readlink(path) if link else path.read_bytes() if small else "",
                flags(path) if stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode) else "",
                {attribute: os.getxattr(path, attribute, follow_symlinks=False)
                 for attribute in os.listxattr(path, follow_symlinks=False)})
    return entries


def flags(path: Path) -> str:
    """Return the project id and flags of a file or folder, empty if it cannot have any."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:  # struct fsxattr in linux/fs.h
        return fcntl.ioctl(handle, _FS_IOC_FSGETXATTR, bytes(28)).hex()
    except OSError:
        return ""
    finally:
        os.close(handle)


def _paths_below(top: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(top):
        yield Path(folder)
        yield from (Path(folder, name) for name in files)
        yield from (Path(folder, name) for name in folders if os.path.islink(f"{folder}/{name}"))


@pytest.fixture(scope="module", params=FORMS)
def image(request: pytest.FixtureRequest, built: support.Fixtures,
          tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of each form whose root has entries of every kind, and stored containers."""
    form, folder = request.param, tmp_path_factory.mktemp("entries")
    root = built.node_root(folder / "root")
    if form != "xfs":  # in which they are kept
        for name in TEMPORARY:
            (root / name).unlink()
    if form in ("folder", "tree"):
        make_entries(root / "entries", form)
        make_containers(root)
        if form == "tree":
            run(["mksquashfs", root, folder / "image", "-comp", "lz4", "-no-progress"])
        return root if form == "folder" else folder / "image"
    inner = folder / "outer/LiveOS/rootfs.img"
    inner.parent.mkdir(parents=True)
    with open(inner, "wb") as stream:
        stream.truncate(320 << 20)
    run([f"mkfs.{form}", "-q", inner])
    (folder / "at").mkdir()
    run(["mount", "--options", "loop", "--", inner, folder / "at"])
    try:
        run(["cp", "--archive", "--", f"{root}/.", folder / "at"])
        make_entries(folder / "at/entries", form)
        make_containers(folder / "at")
    finally:
        run(["umount", "--", folder / "at"])
    run(["mksquashfs", folder / "outer", folder / "image", "-comp", "lz4", "-no-progress"])
    return folder / "image"


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plugin with one file."""
    return make_plugin(tmp_path_factory.mktemp("agent"), "agent", files={"/opt/agent/text": "x"})


def read_states(image: Path, folder: Path) -> Dict[str, Tuple[object, ...]]:
    folder.mkdir()
    with opened(image, folder, run=run) as opened_image:
        return state(opened_image.root)


def different_paths(old: Path, new: Path, folder: Path, *kinds: str) -> Set[str]:
    """Return the paths that differ between the roots of two images, of all kinds or ``kinds``."""
    folder.mkdir()
    for name in ("old", "new"):
        (folder / name).mkdir()
    with opened(old, folder / "old", run=run) as before, opened(
            new, folder / "new", run=run) as after:
        return {difference.path for difference in differences(
            before.root, after.root, content_limit_bytes=8 << 20, times=True)
            if not kinds or difference.kind in kinds}


def folder_times(image: Path, folder: Path) -> Dict[str, int]:
    folder.mkdir()
    with opened(image, folder, run=run) as opened_image:
        return {os.path.relpath(top, opened_image.root): os.lstat(top).st_mtime_ns
                for top, _, _ in os.walk(opened_image.root)}


def test_a_merge_keeps_every_entry(
        image: Path, agent: Path, program: Program, tmp_path: Path) -> None:
    merged = tmp_path / "merged"
    before = read_states(image, tmp_path / "before")
    succeeded(program("merge", image, agent, "-o", merged, "-y", UNSIGNED))
    after = read_states(merged, tmp_path / "after")
    assert {path: (before.get(path), after.get(path)) for path in {*before, *after}
            if before.get(path) != after.get(path)} == {}
    assert different_paths(image, merged, tmp_path / "compared", "added", "removed") == ADDED
    times, new_times = folder_times(image, tmp_path / "1"), folder_times(merged, tmp_path / "2")
    assert {path for path, time in times.items() if new_times[path] != time} == {
        os.path.dirname(path) for path in ADDED} & set(times)
    assert list(program.work.iterdir()) == []


@pytest.mark.parametrize("image", ["folder"], indirect=True)
def test_a_removal_keeps_every_entry(
        image: Path, agent: Path, program: Program, tmp_path: Path) -> None:
    merged, bare = tmp_path / "merged", tmp_path / "bare"
    succeeded(program("merge", image, agent, "-o", merged, "-y", UNSIGNED, "--no-check"))
    succeeded(program("merge", merged, "--remove", "agent", "-o", bare, "-y"))
    assert different_paths(image, bare, tmp_path / "compared") == STATE


@pytest.mark.parametrize("image", ["tree", "ext4"], indirect=True)
def test_a_shell_shows_every_entry(image: Path, program: Program) -> None:
    shown = succeeded(program(
        "shell", image, "--", "/bin/sh", "-c", f"cd /{STORE}/0a1b/diff && test -c etc/removed"
                                               " && ls trusted-redirect trusted-whiteout"))
    assert shown.out.split() == ["trusted-redirect:", "file", "trusted-whiteout:", "file"]


@pytest.mark.parametrize("image", ["tree"], indirect=True)
def test_a_shell_that_writes_keeps_every_entry(
        image: Path, program: Program, tmp_path: Path) -> None:
    output = tmp_path / "output"
    # rpm leaves such files
    command = "echo x >/etc/new; cd /usr/share/rpm; : >rpmdb.sqlite-shm; : >.rpm.lock"
    succeeded(program("shell", image, "-o", output, "--", "/bin/sh", "-ec", command))
    assert different_paths(image, output, tmp_path / "compared") == {"etc/new"}


def test_lost_entries_and_attributes_are_reported(node: Path, tmp_path: Path) -> None:
    layer = node / STORE / "0a1b/diff"
    (layer / "opaque").mkdir(parents=True)
    os.setxattr(layer / "opaque", "trusted.overlay.opaque", b"y")
    os.mknod(layer / "removed", 0o600 | stat.S_IFCHR, os.makedev(0, 0))
    for name in ("old", "draft", "new"):
        (tmp_path / name).mkdir()
    with opened(node, tmp_path / "old", run=run) as image:
        assert image.needs_copy
        image.__dict__["needs_copy"] = False  # as if the search found nothing
        image_draft = draft(image, tmp_path / "draft", run=run, progress=Silent())
        with image_draft.changing() as root:
            (root / STORE / "0a1b/diff/new").touch()  # so that the overlay merges the folder
            changes = verify.root_changes(image, root)
        image_draft.pack(tmp_path / "written")
        with opened(tmp_path / "written", tmp_path / "new", run=run) as new:
            problems = list(verify.root_problems(verify.Expected(
                image, changes, IsoChanges(), recompress=None, boot={}), new, Silent()))
    assert problems == [
        f"/{STORE}/0a1b/diff/removed was removed, but belongs to no plugin",
        f"/{STORE}/0a1b/diff/opaque was changed (xattr trusted.overlay.opaque y -> none)"]


def test_an_overlay_keeps_attributes_that_need_no_copy(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    attributes = {**ATTRIBUTES, **{f"user.overlay.{name}": value
                                   for name, value in OVERLAY_ATTRIBUTES.items()}}
    for number, (name, value) in enumerate(attributes.items()):
        folder = tree / f"{number}"
        folder.mkdir(parents=True)
        for path in (folder / "file", folder / "other"):
            path.touch()
            os.setxattr(path, name, value)
        if name != "security.capability":
            os.setxattr(folder, name, value)
    for name in ("changes", "at"):
        (tmp_path / name).mkdir()
    assert not needs_copy(tree)
    with writable(tree, tmp_path / "changes", tmp_path / "at", copied=False, run=run) as root:
        for folder in root.iterdir():
            (folder / "new").touch()
            os.utime(folder / "file", (0, 0))  # copies it, with all attributes
        changes = {difference.path: difference for difference in differences(
            tree, root, content_limit_bytes=None)}
    assert set(changes) == {f"{number}/new" for number in range(len(attributes))}


def test_an_attribute_that_a_filesystem_cannot_contain_is_named(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        for form, size in (("xfs", 320 << 20), ("ext4", 8 << 20)):
            (tmp_path / form).mkdir()
            with open(tmp_path / f"{form}.img", "wb") as stream:
                stream.truncate(size)
            run([f"mkfs.{form}", "-q", tmp_path / f"{form}.img"])
            stack.enter_context(mounted(tmp_path / f"{form}.img", tmp_path / form,
                                        options=["loop"], run=run))
        (tmp_path / "xfs/file").touch()
        os.setxattr(tmp_path / "xfs/file", "user.large", b"x" * 20000)
        with pytest.raises(RolledBack, match="user.large of .*/file, with 20000 bytes"):
            copy_tree(tmp_path / "xfs", tmp_path / "ext4/copy", run=run)


@pytest.mark.parametrize(("name", "value", "interpreted"), [
    *((f"trusted.overlay.{name}", value, True) for name, value in OVERLAY_ATTRIBUTES.items()),
    *((f"user.overlay.{name}", value, False) for name, value in OVERLAY_ATTRIBUTES.items()),
    *((name, value, False) for name, value in ATTRIBUTES.items())])
def test_only_attributes_of_overlayfs_need_a_copy(
        name: str, value: bytes, interpreted: bool, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    file = tmp_path / "folder/file"
    file.touch()
    for device in ((0, 1), (1, 3), (0, 256)):
        os.mknod(tmp_path / f"{device}", 0o600 | stat.S_IFCHR, os.makedev(*device))
    os.mknod(tmp_path / "block", 0o600 | stat.S_IFBLK, os.makedev(0, 0))
    assert not needs_copy(tmp_path)
    os.setxattr(file, name, value)
    assert needs_copy(tmp_path) == interpreted
    if name.startswith("trusted"):
        assert needs_copy(tmp_path / "folder") == interpreted
        os.removexattr(file, name)
        os.setxattr(tmp_path, name, value)
        assert needs_copy(tmp_path) == interpreted
