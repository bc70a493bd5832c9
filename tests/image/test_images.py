"""Opening, packing, enlarging and checking of images with the real programs."""
from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Callable, Container, List, Optional, Sequence

import pytest

from ovirt_node_plugin.cli import operands
from ovirt_node_plugin.errors import (
    BadBundle,
    BadImage,
    CommandError,
    Refused,
    RolledBack,
    UsageError,
)
from ovirt_node_plugin.images import filesystem, workspace
from ovirt_node_plugin.images.draft import content_bytes, draft, filesystem_size
from ovirt_node_plugin.images.image import opened
from ovirt_node_plugin.images.iso import checksum
from ovirt_node_plugin.images.iso.iso import (
    Iso,
    IsoChanges,
    finish_iso,
    read_iso,
    read_span,
    write_iso,
)
from ovirt_node_plugin.images.iso.iso_attributes import IsoAttributes, read_attributes
from ovirt_node_plugin.images.mounts import mounted, overlaid
from ovirt_node_plugin.images.squashfs import squashfs
from ovirt_node_plugin.images.squashfs.squashfs import pack_options, read_superblock
from ovirt_node_plugin.system.progress import Silent
from ovirt_node_plugin.system.run import Polled, StrPath, run
from tests import support
from tests.support.iso_contents import superblock
from tests.support.update_rpm import FOLDER, make_update_rpm

pytestmark = [pytest.mark.root]


class Recorder:
    """Runs programs or only records argument lists; programs of ``fails`` fail."""

    def __init__(self, *, real: bool = False, fails: Optional[Callable[[List[str]], bool]] = None,
                 answer: str = "") -> None:
        self.argvs: List[List[str]] = []
        self._real, self._fails, self._answer = real, fails, answer

    def __call__(self, argv: Sequence[StrPath], *, ok: Container[int] = (0,),
                 stdin: bytes = b"", polled: Polled = None) -> str:
        words = [os.fspath(word) for word in argv]
        self.argvs.append(words)
        if self._fails is not None and self._fails(words):
            raise CommandError("it fails", argv=words, returncode=9, output="it fails")
        return run(argv, ok=ok, stdin=stdin, polled=polled) if self._real else self._answer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A minimal tree that counts as a root."""
    tree = tmp_path / "root"
    (tree / "usr/lib").mkdir(parents=True)
    (tree / "usr/lib/os-release").write_text("ID=x\n")
    (tree / "file").write_bytes(b"content" * 1000)
    os.link(tree / "file", tree / "link")
    return tree


def pack_root(root: Path, *options: str) -> Path:
    output = root.with_name("image.squashfs")
    run(["mksquashfs", root, output, "-no-progress", *options])
    return output


# --- squashfs


@pytest.mark.parametrize("options", [
    "-comp gzip", "-comp gzip -Xcompression-level 3 -Xwindow-size 9 -Xstrategy default,fixed",
    "-comp xz", "-comp xz -Xbcj x86 -Xdict-size 50%", "-comp lzo -Xalgorithm lzo1x_1",
    "-comp lz4 -Xhc", "-comp zstd", "-comp zstd -Xcompression-level 7 -b 64K",
    "-comp zstd -no-fragments -no-exports -no-duplicates", "-comp gzip -noI -noD -noF -noX",
    "-comp gzip -no-xattrs -always-use-fragments"])
def test_an_image_packed_by_its_superblock_has_the_same_form(
        options: str, root: Path, tmp_path: Path) -> None:
    first = pack_root(root, *options.split())
    second = tmp_path / "second"
    squashfs.pack(root, second, read_superblock(first), run=run)
    assert superblock(second) == superblock(first)
    assert pack_options(read_superblock(second)) == pack_options(read_superblock(first))


def test_the_arguments_of_mksquashfs_and_unsquashfs_are_exact(root: Path, tmp_path: Path) -> None:
    block = read_superblock(pack_root(root, "-comp", "xz", "-b", "64K"))
    recorder = Recorder(answer="unsquashfs version 4.6.1 (2023/03/25)")
    squashfs.pack(root, tmp_path / "out", block, run=recorder)
    squashfs.unpack(tmp_path / "in", tmp_path / "to", offset=4096, run=recorder)
    assert recorder.argvs == [
        ["mksquashfs", str(root), str(tmp_path / "out"), "-comp", "xz", "-b", "65536",
         "-noappend", "-no-progress", "-no-recovery", "-exit-on-error", "-mem", "768M"],
        ["unsquashfs", "-version"],
        ["unsquashfs", "-no-progress", "-quiet", "-dest", str(tmp_path / "to"), "-offset", "4096",
         str(tmp_path / "in")]]


def test_a_file_of_a_damaged_squashfs_is_not_packed_as_an_empty_one(
        root: Path, tmp_path: Path) -> None:
    (root / "large").write_text(" ".join(map(str, range(400_000))))
    image = pack_root(root, "-comp", "xz")
    content = bytearray(image.read_bytes())
    content[len(content) // 3:len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
    text = (root / "usr/lib/os-release").read_bytes()
    (tmp_path / "damaged").write_bytes(content)
    with opened(tmp_path / "damaged", make_folder(tmp_path / "work"), run=run) as damaged:
        assert (damaged.root / "usr/lib/os-release").read_bytes() == text
        with pytest.raises(RolledBack, match="Failed to read file .*large") as caught:
            squashfs.pack(damaged.root, tmp_path / "out", read_superblock(image), run=run)
    assert "compare the image with its published checksum" in caught.value.hint


@pytest.mark.parametrize(("version", "sound"), [("4.5.1", True), ("4.7", False), ("4.7.4", False),
                                                ("4.7.5", True), ("4.8", True)])
def test_an_unsquashfs_that_damages_files_is_not_used(
        version: str, sound: bool, tmp_path: Path) -> None:
    recorder = Recorder(answer=f"unsquashfs version {version} (2025/06/03)")
    if sound:
        squashfs.unpack(tmp_path, tmp_path, run=recorder)
    else:
        with pytest.raises(Refused, match=f"unsquashfs {version}"):
            squashfs.unpack(tmp_path, tmp_path, run=recorder)
    assert len(recorder.argvs) == 1 + sound


@pytest.mark.parametrize(("change", "message"), [
    (lambda data: data[:50], "is too short"), (lambda data: b"xxxx" + data[4:], "no superblock"),
    (lambda data: data[:12] + b"\7\0\0\0" + data[16:], "that is not valid"),
    (lambda data: data[:4096], "is truncated")])
def test_a_bad_superblock_is_reported(
        change: Callable[[bytes], bytes], message: str, root: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    (root / "large").write_bytes(os.urandom(10_000))
    bad.write_bytes(change(pack_root(root).read_bytes()))
    with pytest.raises(BadImage, match=message):
        read_superblock(bad)


# --- filesystems


@pytest.fixture(params=["ext4", "xfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    image = tmp_path / "rootfs.img"
    with open(image, "wb") as stream:
        stream.truncate(320 << 20)
    run([f"mkfs.{request.param}", "-q", "-L", "LiveOS", image])
    return image


def wait_until_released(image: Path) -> None:
    """Wait until no mount namespace that another process made keeps ``image`` mounted."""
    while run(["losetup", "--associated", image]):
        time.sleep(0.05)


def test_an_enlarged_filesystem_keeps_its_identity(disk: Path, tmp_path: Path) -> None:
    before = filesystem.read_filesystem(disk, run=run)
    filesystem.grow(disk, before, 400 << 20, run=run)
    at = tmp_path / "at"
    at.mkdir()
    with mounted(disk, at, options=["loop"], run=run):
        filesystem.grow_mounted(at, before, run=run)
        info = os.statvfs(at)
        assert info.f_blocks * info.f_frsize > 320 << 20
        (at / "large").write_bytes(bytes(40 << 20))
        os.sync()
        full = disk.stat().st_blocks
        (at / "large").unlink()
        os.sync()
        filesystem.trim(at, run=run)
        # xfs frees deleted files with a delay
        assert before.kind == "xfs" or disk.stat().st_blocks < full - (30 << 20) // 512
    wait_until_released(disk)
    after = filesystem.read_filesystem(disk, run=run)
    assert (after.label, after.uuid, after.kind, after.block_size) == (
        before.label, before.uuid, before.kind, before.block_size)
    assert (before.label, after.size_bytes) == ("LiveOS", 400 << 20)
    filesystem.check(disk, after, run=run)


def test_a_damaged_filesystem_is_reported_and_not_repaired(disk: Path) -> None:
    before = filesystem.read_filesystem(disk, run=run)
    with open(disk, "r+b") as stream:
        stream.seek(4096)
        stream.write(os.urandom(1 << 16))
    damaged = disk.read_bytes()
    with pytest.raises(BadImage, match="is damaged"):
        filesystem.check(disk, before, run=run)
    assert disk.read_bytes() == damaged


def test_a_file_that_is_no_filesystem_is_reported(tmp_path: Path) -> None:
    (tmp_path / "x.img").write_bytes(bytes(1 << 20))
    with pytest.raises(BadImage, match="contains no known filesystem"):
        filesystem.read_filesystem(tmp_path / "x.img", run=run)
    run(["mkfs.vfat", "-C", tmp_path / "fat.img", "1024"])
    with pytest.raises(BadImage, match="of type vfat"):
        filesystem.read_filesystem(tmp_path / "fat.img", run=run)


def test_a_filesystem_does_not_shrink(disk: Path) -> None:
    before = filesystem.read_filesystem(disk, run=run)
    with pytest.raises(UsageError):
        filesystem.grow(disk, before, 100 << 20, run=run)
    assert disk.stat().st_size == before.size_bytes


# --- opening of images


@pytest.mark.parametrize("form", ["folder", "squashfs", "nested"])
def test_the_root_in_an_image_is_found_and_read_only(form: str, root: Path, tmp_path: Path) -> None:
    image = make_image(form, root, tmp_path)
    with opened(image, make_folder(tmp_path / "work"), run=run) as opened_image:
        assert (opened_image.root / "file").read_bytes() == b"content" * 1000
        assert opened_image.layout.nesting == {
            "folder": ("folder",), "squashfs": ("squashfs",), "nested": ("squashfs", "ext4")}[form]
        with pytest.raises(OSError, match="Read-only"):
            (opened_image.root / "new").touch()
    assert str(tmp_path / "work") not in Path("/proc/self/mounts").read_text()


def test_an_outer_mount_is_released_when_the_inner_one_fails(root: Path, tmp_path: Path) -> None:
    image = make_image("nested", root, tmp_path)
    recorder = Recorder(real=True, fails=lambda words: words[0] == "mount" and "ext4" in words)
    with pytest.raises(BadImage), opened(image, make_folder(tmp_path / "work"), run=recorder):
        pass
    assert [words[0] for words in recorder.argvs] == ["mount", "blkid", "mount", "umount"]
    assert str(tmp_path / "work") not in Path("/proc/self/mounts").read_text()


def test_an_image_that_is_already_mounted_can_be_opened(root: Path, tmp_path: Path) -> None:
    image, at = make_image("nested", root, tmp_path), make_folder(tmp_path / "at")
    before = run(["losetup", "--list", "--noheadings", "--output", "BACK-FILE"]).count(str(image))
    with mounted(image, at, options=["loop", "ro", "offset=0", "sizelimit=4096000"], run=run) \
            if image.stat().st_size > 4_096_000 else mounted(image, at, options=["loop"], run=run):
        with opened(image, make_folder(tmp_path / "work"), run=run) as opened_image:
            assert (opened_image.root / "file").exists()
        assert (at / "LiveOS/rootfs.img").exists()
    until = time.monotonic() + 10
    while time.monotonic() < until and run(
            ["losetup", "--list", "--noheadings", "--output", "BACK-FILE"]).count(str(image)):
        time.sleep(0.1)
    assert run(["losetup", "--list", "--noheadings", "--output", "BACK-FILE"]).count(
        str(image)) == before == 0


@pytest.mark.parametrize("compression", ["w0.gzdio", "w.ufdio", "w9.gzdio"])
def test_the_squashfs_in_an_rpm_is_read(compression: str, root: Path, tmp_path: Path) -> None:
    image = make_image("nested", root, tmp_path)
    update = make_update_rpm(tmp_path, [image], compression=compression)
    with opened(update, make_folder(tmp_path / "work"), run=run) as opened_image:
        assert (opened_image.root / "file").read_bytes() == b"content" * 1000
        assert opened_image.layout.nesting == ("rpm", "squashfs", "ext4")
        assert opened_image.layout.payload_path == f"{FOLDER}/{image.name}"
        assert opened_image.layout.payload_size == image.stat().st_size


def test_a_squashfs_of_several_in_an_rpm_has_to_be_named(root: Path, tmp_path: Path) -> None:
    image = make_image("nested", root, tmp_path)
    other = tmp_path / "other.img"
    shutil.copyfile(image, other)
    update = make_update_rpm(tmp_path, [image, other])
    for number, (name, message) in enumerate((
            ("", "contains several squashfs images: .*other.img"),
            (f"{FOLDER}/none", f"contains no squashfs {FOLDER}/none"))):
        with pytest.raises(UsageError, match=message), opened(
                update, make_folder(tmp_path / f"work-{number}"), payload=name, run=run):
            pass
    with opened(update, make_folder(tmp_path / "work"), payload=f"{FOLDER[1:]}/other.img",
                run=run) as opened_image:
        assert opened_image.layout.payload_path == f"{FOLDER}/other.img"


def test_an_rpm_that_is_damaged_or_has_no_squashfs_is_reported(
        root: Path, tmp_path: Path) -> None:
    image = make_image("nested", root, tmp_path)
    update = make_update_rpm(tmp_path, [image], compression="w.ufdio")
    content = update.read_bytes()
    header, payload = tmp_path / "header.rpm", tmp_path / "payload.rpm"
    at = content.index(b"An update of")
    header.write_bytes(content[:at] + b"!" + content[at + 1:])
    payload.write_bytes(content[:-5000] + b"damaged" + content[-4993:])
    text = tmp_path / "text"
    text.write_text("no image")
    none = make_update_rpm(tmp_path, [text])
    for number, (path, message) in enumerate((
            (header, "cannot be read"), (payload, "does not match the digest"),
            (none, "contains no squashfs image"))):
        with pytest.raises(BadImage, match=message), opened(
                path, make_folder(tmp_path / f"work-{number}"), run=run):
            pass


def test_an_rpm_without_a_squashfs_is_called_a_package_among_images_and_plugins(
        root: Path, tmp_path: Path) -> None:
    update = make_update_rpm(tmp_path, [make_image("nested", root, tmp_path)])
    (tmp_path / "text").write_text("no image")
    vendor = support.quick_rpm("vrtsx", "1.0", files={"/opt/vrtsx/firmware": "x"})
    assert operands.split(Path("a.iso"), [str(update), "storage"]) == (
        (Path("a.iso"), update), ("storage",))
    for path in (vendor, make_update_rpm(tmp_path, [tmp_path / "text"])):
        for words in ([str(path)], ["storage", str(path)]):
            with pytest.raises(BadBundle) as caught:
                operands.split(Path("a.iso"), words)
            assert caught.value.message == (
                f"{path} is not a bundle: it is an RPM package. It is no image either: an update"
                " RPM of oVirt Node contains a squashfs image, and this one has none")
            assert "put the RPMs into the folder repo/ of a new folder" in caught.value.hint


def test_a_link_in_an_image_is_resolved_in_the_image(root: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    (outer / "LiveOS").mkdir(parents=True)
    os.symlink("/etc/hostname", outer / "LiveOS/rootfs.img")
    run(["mksquashfs", outer, tmp_path / "bad", "-no-progress"])
    with pytest.raises(BadImage, match="contains no root"), opened(
            tmp_path / "bad", make_folder(tmp_path / "work"), run=run):
        pass


def test_an_image_without_a_root_is_reported(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "empty")
    with pytest.raises(BadImage, match="there is no os-release"), opened(
            folder, make_folder(tmp_path / "work"), run=run):
        pass
    with pytest.raises(UsageError, match="there is no image"), opened(
            tmp_path / "missing", make_folder(tmp_path / "work2"), run=run):
        pass


@pytest.mark.parametrize("form", ["folder", "squashfs", "nested"])
def test_a_draft_is_changed_and_the_image_is_kept(form: str, root: Path, tmp_path: Path) -> None:
    image = make_image(form, root, tmp_path)
    with opened(image, make_folder(tmp_path / "work"), run=run) as opened_image:
        image_draft = draft(opened_image, make_folder(tmp_path / "draft"), run=run,
                            progress=Silent())
        with image_draft.changing() as changed:
            (changed / "file").write_text("new")
            (changed / "usr/lib/more").mkdir()
        image_draft.pack(tmp_path / "output")
        assert (opened_image.root / "file").read_bytes() == b"content" * 1000
    with opened(tmp_path / "output", make_folder(tmp_path / "again"), run=run) as opened_image:
        for name in ("file", "link"):
            assert (opened_image.root / name).read_text() == "new"
        assert os.path.samefile(opened_image.root / "file", opened_image.root / "link")
        assert (opened_image.root / "usr/lib/more").is_dir()


@pytest.mark.parametrize(("needed_bytes", "needed_files"), [(200 << 20, 10), (1 << 20, 40_000)])
def test_a_full_filesystem_is_enlarged_for_new_files(
        needed_bytes: int, needed_files: int, root: Path, tmp_path: Path) -> None:
    image = make_image("nested", root, tmp_path)
    with opened(image, make_folder(tmp_path / "work"), run=run) as opened_image:
        before = os.statvfs(opened_image.root)
        size = filesystem_size(opened_image, needed_bytes=needed_bytes, needed_files=needed_files)
        image_draft = draft(opened_image, make_folder(tmp_path / "draft"), size_bytes=size, run=run,
                            progress=Silent())
        with image_draft.changing() as changed:
            info = os.statvfs(changed)
        assert info.f_bavail * info.f_frsize > needed_bytes and info.f_favail > needed_files
        assert before.f_bavail * before.f_frsize < needed_bytes or before.f_favail < needed_files


def test_a_filesystem_with_free_space_keeps_its_size(root: Path, tmp_path: Path) -> None:
    image = make_image("nested", root, tmp_path)
    with opened(image, make_folder(tmp_path / "work"), run=run) as opened_image:
        assert filesystem_size(opened_image, needed_bytes=1 << 20, needed_files=20) == 0


def test_the_size_of_a_tree_counts_hard_links_once_and_holes_if_wanted(root: Path) -> None:
    assert content_bytes(root) == 7000 + len("ID=x\n")
    with open(root / "log", "wb") as stream:
        stream.truncate(300 << 30)
        stream.write(b"x")
    assert content_bytes(root) == (300 << 30) + 7000 + len("ID=x\n")
    assert content_bytes(root, holes=False) < 100_000


# --- ISOs


def test_the_arguments_of_xorriso_are_exact(tmp_path: Path) -> None:
    iso = Iso("NODE", (), (), (), (), joliet=True,
              checksum=checksum.Checksum(implanted=True, supported=True),
              uuid="2023113000000000", gpt_guid="0123456789abcdef0123456789abcdef")
    source, output = tmp_path / "in.iso", tmp_path / "out.iso"
    source.write_bytes(bytes(440) + b"disk" + bytes(66) + b"\x55\xaa")
    output.write_bytes(bytes(510) + b"\x55\xaa")
    recorder = Recorder()
    write_iso(source, iso, output, IsoChanges(
        {"/b": Path("/tmp/b"), "/a": Path("/tmp/a")}, ("/gone",), "NEW"),
        run=recorder)
    finish_iso(output, iso, {}, run=recorder)
    quiet = ["-no_rc", "-report_about", "WARNING", "-abort_on", "FAILURE"]
    mapped = [word for name in "ab" for word in (
        "-map", f"/tmp/{name}", f"/{name}", "-chown", "0", f"/{name}", "--", "-chgrp", "0",
        f"/{name}", "--", "-chmod", "0444", f"/{name}", "--")]
    assert recorder.argvs == [
        ["xorriso", *quiet, "-indev", f"stdio:{source}", "-outdev", f"stdio:{output}",
         "-boot_image", "any", "replay", "-padding", "0", "-iso_rr_pattern", "off", "-joliet",
         "on", "-compliance", "joliet_long_names:joliet_long_paths", "-volid", "NEW", "-rm",
         "/gone", "--", *mapped, "-volume_date", "uuid", iso.uuid, "-boot_image", "any",
         f"gpt_disk_guid={iso.gpt_guid}", "-commit"],
        ["xorriso", *quiet, "-indev", f"stdio:{output}", "-report_system_area", "plain"],
        ["implantisomd5", "--force", "--supported-iso", str(output)]]
    assert output.read_bytes()[440:444] == b"disk"


def test_a_replaced_file_keeps_its_mode_and_owner_on_the_iso(tmp_path: Path) -> None:
    tree, old, new = make_folder(tmp_path / "tree"), tmp_path / "old.iso", tmp_path / "new.iso"
    files = {"a b": 0o644, "it's": 0o4750, "[c]*": 0o1600, "c": 0o600, "d": 0o755}
    for number, (name, mode) in enumerate(files.items()):
        (tree / name).write_text(name)
        os.chown(tree / name, number, number + 10)
        (tree / name).chmod(mode)
    run(["xorriso", "-outdev", old, "-map", tree, "/", "-commit"])
    changed = tmp_path / "changed"
    changed.write_text("changed")
    paths = [f"/{name}" for name in files if name not in "cd"]
    write_iso(old, read_iso(old, run=run), new, IsoChanges(
        dict.fromkeys((*paths, "/new"), changed)), run=run)
    attributes = read_attributes(new, [*(f"/{name}" for name in files), "/new"], run=run)
    assert attributes == {
        **{f"/{name}": IsoAttributes(mode, number, number + 10)
           for number, (name, mode) in enumerate(files.items())}, "/new": IsoAttributes(0o444)}
    texts = {file.path: read_span(new, file) for file in read_iso(new, run=run).files}
    assert texts == {**{f"/{name}": name.encode() for name in "cd"},
                     **dict.fromkeys((*paths, "/new"), b"changed")}


def test_names_on_an_iso_may_contain_blanks_and_quotes(tmp_path: Path) -> None:
    for name in ("a b", "it's", 'q"q', "ü"):
        (tmp_path / name).write_text(name)
    iso = tmp_path.parent / f"{tmp_path.name}.iso"
    run(["xorriso", "-outdev", iso, "-volid", "NAMES", "-map", tmp_path, "/", "-commit"])
    assert [file.path for file in read_iso(iso, run=run).files] == sorted(
        ["/a b", "/it's", '/q"q', "/ü"])


# --- work folders


def test_a_work_folder_is_removed_even_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError), workspace.work_folder(tmp_path) as folder:
        (folder / "deep/er").mkdir(parents=True)
        raise ValueError
    assert list(tmp_path.iterdir()) == []


def test_a_work_folder_with_a_mount_in_it_is_not_deleted(root: Path, tmp_path: Path) -> None:
    place = make_folder(tmp_path / "place")
    with pytest.raises(Exception, match="is still mounted"):
        with workspace.work_folder(place) as folder:
            make_folder(folder / "at")
            run(["mount", "--bind", root, folder / "at"])
    assert (root / "file").exists()
    run(["umount", next(place.iterdir()) / "at"])
    assert [path.parent for path in workspace.clean([place])] == [place]
    assert list(place.iterdir()) == [] and (root / "file").exists()


def test_an_output_is_complete_or_absent(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with pytest.raises(ValueError), workspace.destination(output) as destination:
        destination.target.write_text("half")
        raise ValueError
    assert list(tmp_path.iterdir()) == []
    with workspace.destination(output) as destination:
        destination.target.write_text("whole")
        assert not output.exists() and not destination.placed
        destination.place()
        assert destination.placed
    assert output.read_text() == "whole" and list(tmp_path.iterdir()) == [output]


def test_a_work_folder_without_a_lock_is_cleaned_later(tmp_path: Path) -> None:
    young, old = (tmp_path / f"ovirt-node-plugin-{name}" for name in ("aaaaaaaa", "bbbbbbbb"))
    for folder in (young, old):
        folder.mkdir()
    os.utime(old, (0, 0))
    assert workspace.clean([tmp_path]) == [old]


def test_only_abandoned_work_folders_are_cleaned(tmp_path: Path) -> None:
    (tmp_path / "ovirt-node-plugin-other").mkdir()
    (tmp_path / "ovirt-node-plugin-abcdefgh/in").mkdir(parents=True)  # without the lock
    os.symlink("/etc", tmp_path / "ovirt-node-plugin-12345678")
    with workspace.work_folder(tmp_path):
        assert workspace.clean([tmp_path]) == []
    abandoned = tmp_path / ".x.iso.ovirt-node-plugin-abcd1234"
    abandoned.mkdir()
    (abandoned / "lock").touch()
    (abandoned / "x.iso").write_text("half")
    assert workspace.clean([tmp_path]) == [abandoned]
    assert len(list(tmp_path.iterdir())) == 3


def test_an_overlay_may_have_a_comma_and_a_colon_in_its_path(tmp_path: Path) -> None:
    tmp_path = make_folder(tmp_path / "x:y\\z")
    lower = make_folder(tmp_path / "a,b")
    (lower / "file").write_text("old")
    changes, at = make_folder(tmp_path / "work"), make_folder(tmp_path / "at")
    with overlaid(lower, changes, at, run=run) as root:
        (root / "file").write_text("new")
    assert (lower / "file").read_text() == "old"
    with overlaid(lower, changes, at, run=run) as root:
        assert (root / "file").read_text() == "new"


def make_folder(path: Path) -> Path:
    path.mkdir()
    return path


def make_image(form: str, root: Path, tmp_path: Path) -> Path:
    """Return an image of that form that contains ``root``."""
    if form == "folder":
        return root
    if form == "squashfs":
        return pack_root(root)
    outer = tmp_path / "outer"
    (outer / "LiveOS").mkdir(parents=True)
    with open(outer / "LiveOS/rootfs.img", "wb") as stream:
        stream.truncate(64 << 20)
    run(["mkfs.ext4", "-q", "-L", "LiveOS", "-d", root, outer / "LiveOS/rootfs.img"])
    run(["mksquashfs", outer, tmp_path / "nested", "-no-progress"])
    shutil.rmtree(outer)
    return tmp_path / "nested"
