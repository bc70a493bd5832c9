"""ISO images as oVirt Node and live systems have come: three layouts, booted by BIOS and UEFI.

``installer`` is oVirt Node's own: Anaconda's boot ISO with the Node's image beside it.
``old-live`` is what livecd-creator made, the first Node's too. ``tree-live`` is what newer
lorax makes: GRUB 2 for BIOS, an appended partition for UEFI, and the root tree itself in
the squashfs. None of them waits for a key.
"""
from __future__ import annotations

import functools
import gzip
import hashlib
import os
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ovirt_node_plugin.system.paths import resolve_inside
from ovirt_node_plugin.system.run import StrPath, run

from .rpms import FixtureError

FORMS = ("installer", "old-live", "tree-live")
COMPRESSORS = ("xz", "zstd", "gzip")

_EPOCH = 1701302400  # 2023-11-30, when Node 4.5.5 came: all that can be of that day is
_UUIDS = ("0b1ff4ed-45c6-4d0c-8a0e-4d6f6e6f6465", "0b1ff4ed-45c6-4d0c-8a0e-686173680000")
# lorax's default for xz; for zstd, what takes the least time, and a merge packs as it was packed
_OPTIONS: Mapping[str, Sequence[str]] = {"xz": ("-Xbcj", "x86"),
                                         "zstd": ("-Xcompression-level", "1")}
_TOOLS = ("mksquashfs", "mkfs.ext4", "mkfs.xfs", "xorriso", "implantisomd5", "mkfs.fat", "mcopy",
          "cpio")
_GRUB_PROGRAMS = ("grub-mkimage", "grub2-mkimage")  # Debian's and EL's name
_GRUB = ("/usr/lib/grub",)
# Debian's isolinux and syslinux-common, then EL's syslinux
_SYSLINUX = ("/usr/lib/ISOLINUX", "/usr/lib/syslinux/modules/bios", "/usr/share/syslinux")
_MENU_FILES = ("ldlinux.c32", "libutil.c32", "menu.c32")
_LOADERS = ("isolinux.bin", "isohdpfx.bin", *_MENU_FILES, "i386-pc/boot_hybrid.img",
            "i386-pc/kernel.img", "x86_64-efi/kernel.img")
_MODULES = ("normal", "configfile", "search", "search_label", "search_fs_file", "part_gpt",
            "part_msdos", "iso9660", "fat", "linux", "linuxefi", "gzio", "echo", "test", "ls",
            "chain", "reboot", "halt", "biosdisk")
# What partitions are, by GUID: UEFI specification, 5.3.3, and Microsoft's basic data
_EFI_PARTITION = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
_BASIC_DATA = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
_EFI_IMAGE_KIB = 4096
_LEAST_XFS_MIB = 384  # mkfs.xfs makes none below 300 MB
_HINT = "Run tools/setup run: it installs the boot loaders that ISO images are made with."


@dataclass(frozen=True)
class BootFiles:
    """The kernel and the initramfs to put on an ISO."""

    kernel: Path
    initramfs: Path


@dataclass(frozen=True)
class _Layout:
    """Where things are: paths relative to the ISO, ``inner`` to the squashfs.

    ``locate`` are the kernel arguments by which the initramfs finds the medium, ``choices``
    the titles and further arguments of what boots Linux; ``efi_linux`` is GRUB's command
    for a kernel in the menu for UEFI. ``inner`` and what it needs are empty where the
    squashfs holds the root tree; ``efi_image`` is where it is no file on the ISO.
    """

    volume_id: str
    locate: str
    choices: Tuple[Tuple[str, str], ...]
    kernel: str
    initramfs: str
    payload: str
    efi_linux: str
    efi_image: str = ""
    inner: str = ""
    label: str = ""
    size_mib: int = 0


# The first choice, which boots by itself, is without "quiet", for those who listen.
_INSTALL = (("Install {}", ""), ("Test this media & install {}", "rd.live.check quiet"),
            ("Rescue a {} system", "inst.rescue quiet"))
_START = (("Start {}", "rd.live.image"),
          ("Test this media & start {}", "rd.live.image rd.live.check quiet"),
          ("Rescue a {} system", "rd.live.image single quiet"))
_CENTOS, _OLD, _NEW = "CentOS-Stream-9-BaseOS-x86_64", "ovirt-node-iso-3.6", "oVirt-Node-Live-4-5"
_KERNEL, _INITRAMFS = "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"
# A Node's image has 5 GiB, most of it holes; mksquashfs reads them, for ten seconds and more.
# These have what the small root and the plugins of tests need.
_LAYOUTS = {
    "installer": _Layout(
        _CENTOS, f"inst.stage2=hd:LABEL={_CENTOS}"
                 f" inst.ks=hd:LABEL={_CENTOS}:/interactive-defaults.ks", _INSTALL,
        _KERNEL, _INITRAMFS, "ovirt-node-ng-image.squashfs.img", "linuxefi",
        "images/efiboot.img", "LiveOS/rootfs.img", "LiveOS", 128),
    "old-live": _Layout(
        _OLD, f"root=live:CDLABEL={_OLD} rootfstype=auto ro", _START,
        "isolinux/vmlinuz0", "isolinux/initrd0.img", "LiveOS/squashfs.img", "linuxefi",
        "isolinux/efiboot.img", "LiveOS/ext3fs.img", "ovirt-node", 96),
    "tree-live": _Layout(
        _NEW, f"root=live:CDLABEL={_NEW}", _START,
        _KERNEL, _INITRAMFS, "LiveOS/squashfs.img", "linux"),
}


def make_iso(form: str, root: Path, output: Path, *, compressor: str = "zstd",
             filesystem: str = "ext4", boot: Optional[BootFiles] = None,
             arguments: str = "") -> Path:
    """Make an ISO of the unpacked Node ``root``, which is only read; return ``output``.

    ``form`` is one of FORMS, ``compressor`` one of COMPRESSORS and the payload's, and
    ``filesystem``, ext4 or xfs, that of the image within the payload. ``boot`` is by
    default the root's own kernel and initramfs, or what stands for them. ``arguments``
    are kernel arguments that end each line that boots Linux.

    Raises FixtureError for a form that there is not, and if a boot loader is missing here.
    """
    layout = _layout(form, compressor, filesystem)
    with tempfile.TemporaryDirectory(prefix=f"{output.name}.", dir=output.parent) as name:
        work = Path(name)
        tree = work / "tree"
        files = boot or _boot_files(root, work)
        shutil.copyfile(files.kernel, _placed(tree / layout.kernel))
        shutil.copyfile(files.initramfs, _placed(tree / layout.initramfs))
        payload = _placed(tree / layout.payload)
        _make_payload(layout, root, payload, work, compressor=compressor, filesystem=filesystem)
        release = _release(root)
        menus = _Menus(layout, release.get("VARIANT", "Linux"), arguments)
        if form == "installer":
            _add_installer(release, payload.name, tree, work)
        efi_image = _add_efi(menus, tree, work)
        add = _add_grub if form == "tree-live" else _add_isolinux
        booting = add(menus, efi_image, tree)
        if form == "old-live":
            booting += ["-isohybrid-mbr", _found("isohdpfx.bin", _SYSLINUX),
                        "-isohybrid-gpt-basdat"]
        _write(tree, work / "iso", layout.volume_id, booting)
        if form == "installer":  # as Node's own build does it, after the ISO is written
            run([_program("isohybrid"), "--uefi", "--id", "0x4e4f4445", work / "iso"])
        if form != "tree-live":
            run(["implantisomd5", *(["--supported-iso"] if form == "installer" else []),
                 work / "iso"])
        os.replace(work / "iso", output)
    return output


@functools.lru_cache(maxsize=None)
def fingerprint(roots: str) -> str:
    """Return a name for all that an ISO depends on besides what ``make_iso`` is given.

    ``roots`` is the name of the folder of the fixtures that the root is of.
    """
    digest = hashlib.sha256(roots.encode() + Path(__file__).read_bytes())
    # Not all of the programs say a version that one could ask for: what they are counts.
    # What is missing is said when it is needed, for this form or another.
    paths = [Path(shutil.which(tool) or "") for tool in (*_TOOLS, *_GRUB_PROGRAMS)]
    paths += [Path(folder, name) for folder in (*_SYSLINUX, *_GRUB) for name in _LOADERS]
    for path in paths:
        digest.update(path.read_bytes() if path.is_file() else b"")
    digest.update(run(["xorriso", "-version"]).encode())  # and its libraries'
    return digest.hexdigest()[:16]


def _layout(form: str, compressor: str, filesystem: str) -> _Layout:
    if form not in FORMS or compressor not in COMPRESSORS or filesystem not in ("ext4", "xfs"):
        raise FixtureError(f"there is no ISO {form} with {compressor} and {filesystem}",
                           hint=f"Take of {', '.join((*FORMS, *COMPRESSORS))}, ext4, xfs.")
    if filesystem != "ext4" and not _LAYOUTS[form].inner:
        raise FixtureError(f"no image of a filesystem is in an ISO {form}",
                           hint="Leave the filesystem out.")
    return _LAYOUTS[form]


def _make_payload(layout: _Layout, root: Path, output: Path, work: Path, *,
                  compressor: str, filesystem: str) -> None:
    """Make the squashfs: of the root, or of the folder with the image of a filesystem."""
    argv: List[StrPath] = ["-comp", compressor, *_OPTIONS.get(compressor, ()), "-b", "131072",
                           "-noappend", "-no-progress", "-mkfs-time", str(_EPOCH)]
    content = root
    if layout.inner:
        content = work / "payload"
        image = _placed(content / layout.inner)
        with open(image, "wb") as stream:
            size_mib = max(layout.size_mib, _LEAST_XFS_MIB if filesystem == "xfs" else 0)
            stream.truncate(size_mib << 20)
        if filesystem == "ext4":
            _make_ext4(image, layout.label, root)
        else:
            _make_xfs(image, layout.label, root, work)
        argv += ["-all-time", str(_EPOCH)]  # in a root, times are what rpm verifies
    run(["mksquashfs", content, output, *argv])


def _make_ext4(image: Path, label: str, root: Path) -> None:
    run(["env", f"E2FSPROGS_FAKE_TIME={_EPOCH}", "mkfs.ext4", "-q", "-L", label, "-b", "4096",
         "-U", _UUIDS[0], "-E", f"hash_seed={_UUIDS[1]}", "-d", root, image])


def _make_xfs(image: Path, label: str, root: Path, work: Path) -> None:
    """Make one and fill it by a mount: mkfs.xfs(8) itself would lose extended attributes.

    It is mounted in a mount namespace of its own. One that another process makes meanwhile
    would otherwise keep the filesystem mounted, and its changes in memory, after umount(8).
    """
    mounted = work / "mounted"
    mounted.mkdir()
    run(["mkfs.xfs", "-q", "-L", label, "-m", f"uuid={_UUIDS[0]}", image])
    run(["unshare", "--mount", "--propagation", "private", "sh", "-ec",
         'mount -t xfs -o loop,nouuid "$1" "$2"\n'
         'cp -a --no-target-directory "$3" "$2"\n'
         'umount "$2"\n', "sh", image, mounted, root])


def _boot_files(root: Path, work: Path) -> BootFiles:
    """Return the root's own, or a sector and an archive without files."""
    kernels = sorted((root / "usr/lib/modules").glob("*/vmlinuz"))
    archives = sorted(path for path in (root / "boot").glob("initramfs-*.img") if path.is_file())
    if not kernels:
        kernels = [work / "no-kernel"]
        kernels[0].write_bytes(bytes(512))
    if not archives:
        archives = [_make_archive({}, work / "no-initramfs", work)]
    return BootFiles(kernels[-1], archives[-1])


def _release(root: Path) -> Dict[str, str]:
    """Return what the root's os-release(5) says, nothing if it has none."""
    path = resolve_inside(root, "/etc/os-release")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: "".join(shlex.split(value)) for key, _, value in pairs}


def _add_installer(release: Mapping[str, str], payload: str, tree: Path, work: Path) -> None:
    """Add what Anaconda reads, and its own system, of which there is only a token."""
    product, version = release.get("ID", "linux"), release.get("VERSION_ID", "1")
    files = {
        "interactive-defaults.ks":
            f"timezone --utc Etc/UTC\n\nliveimg --url=file:///run/install/repo/{payload}\n\n"
            "%post --erroronfail\nimgbase layout --init\n%end\n",
        ".discinfo": f"{_EPOCH}.000000\n{version}\nx86_64\n",
        ".treeinfo":
            f"[general]\narch = x86_64\nfamily = {product}\nname = {product}-{version}\n"
            f"packagedir = \ntimestamp = {_EPOCH}\nvariant = ovirt-node\nversion = {version}\n\n"
            f"[images-x86_64]\ninitrd = {_INITRAMFS}\nkernel = {_KERNEL}\n"
            "product.img = images/product.img\n",
    }
    _write_files(files, tree)
    variant = release.get("VARIANT", "").rpartition(" ")[2]
    stamp = (f"[Main]\nProduct=oVirt Node Next\nVersion={variant}\nIsFinal=True\n"
             "BugURL=https://github.com/oVirt/ovirt-node-ng-image/issues\nUUID=20231130.x86_64\n"
             "[Compose]\nLorax=34.9.23-1\n")
    _make_archive({".buildstamp": stamp}, tree / "images/product.img", work)
    _write_files({"usr/share/anaconda/stage2": "Anaconda would be here.\n"}, work / "stage2")
    run(["mksquashfs", work / "stage2", tree / "images/install.img", "-comp", "xz", "-noappend",
         "-no-progress", "-mkfs-time", str(_EPOCH), "-all-time", str(_EPOCH)])


def _make_archive(files: Mapping[str, str], output: Path, work: Path) -> Path:
    """Make a compressed cpio archive, which the kernel and Anaconda unpack; return it."""
    folder = work / f"{output.name}.files"
    folder.mkdir()
    _write_files(files, folder)
    _settle(folder)
    plain = work / f"{output.name}.cpio"
    names = "\n".join([".", *sorted(files)])
    run(["cpio", "--quiet", "--create", "--format=newc", "--owner=0:0", "--reproducible",
         f"--directory={folder}", f"--file={plain}"], stdin=names.encode())
    output.write_bytes(gzip.compress(plain.read_bytes(), mtime=_EPOCH))
    return output


@dataclass(frozen=True)
class _Menus:
    """The boot menus of an ISO, all with the same choices; the first is taken after a second."""

    layout: _Layout
    product: str
    arguments: str

    def choices(self) -> Iterator[Tuple[str, str]]:
        """Yield the title and the kernel arguments of each choice that boots Linux."""
        for title, own in self.layout.choices:
            words = (self.layout.locate, own, self.arguments)
            yield title.format(self.product), " ".join(word for word in words if word)

    def isolinux(self) -> str:
        """Return isolinux.cfg, beside which kernel and initramfs are too."""
        lines = ["default menu.c32", "prompt 0", "timeout 10", "", f"menu title {self.product}"]
        kernel, initramfs = Path(self.layout.kernel).name, Path(self.layout.initramfs).name
        for number, (title, arguments) in enumerate(self.choices()):
            lines += ["", f"label linux{number}", f"  menu label ^{title}"]
            lines += ["  menu default"] if number == 0 else []
            lines += [f"  kernel {kernel}", f"  append initrd={initramfs} {arguments}"]
        lines += ["", "label memtest", "  menu label Run a ^memory test", "  kernel memtest",
                  "  append -",
                  "", "label local", "  menu label Boot from ^local drive", "  localboot 0xffff"]
        return "\n".join(lines) + "\n"

    def legacy(self) -> str:
        """Return grub.conf, which GRUB 0.97 read and which nothing boots from any more."""
        lines = ["default=0", "timeout=1", "hiddenmenu"]
        for title, arguments in self.choices():
            lines += [f"title {title}", f"\tkernel /{self.layout.kernel} {arguments}",
                      f"\tinitrd /{self.layout.initramfs}"]
        return "\n".join(lines) + "\n"

    def grub(self, linux: str, local: Sequence[str]) -> str:
        """Return grub.cfg; ``linux`` is the command for a kernel, ``local`` boots the disk."""
        lines = ['set default="0"', "set timeout=1", "",
                 f"search --no-floppy --set=root -l '{self.layout.volume_id}'"]
        initrd = linux.replace("linux", "initrd")
        for title, arguments in self.choices():
            lines += ["", f"menuentry '{title}' --class gnu-linux --class os {{",
                      f"\t{linux} /{self.layout.kernel} {arguments}",
                      f"\t{initrd} /{self.layout.initramfs}", "}"]
        lines += ["", "menuentry 'Boot from local drive' {", *(f"\t{line}" for line in local),
                  "}"]
        return "\n".join(lines) + "\n"


def _add_efi(menus: _Menus, tree: Path, work: Path) -> Path:
    """Add what UEFI boots, as files and in a FAT image; return the path of the image.

    GRUB reads the menu that lies where its firmware found it: OVMF's takes the files of a
    CD, and of an isohybrid on a disk; of a disk with an appended partition the FAT image.
    """
    folder = tree / "EFI/BOOT"
    text = menus.grub(menus.layout.efi_linux, ["exit 1"])
    _write_files({"grub.cfg": text}, folder)
    _make_grub("x86_64-efi", "/EFI/BOOT", folder / "BOOTX64.EFI")
    place = menus.layout.efi_image
    image = _placed(tree / place) if place else work / "efiboot.img"
    _settle(tree / "EFI")
    run(["mkfs.fat", "-C", "--invariant", "-n", "ANACONDA", image, str(_EFI_IMAGE_KIB)])
    dated = ["env", f"SOURCE_DATE_EPOCH={_EPOCH}"]
    run([*dated, "mmd", "-i", image, "::/EFI", "::/EFI/BOOT"])
    run([*dated, "mcopy", "-m", "-i", image, folder / "BOOTX64.EFI", folder / "grub.cfg",
         "::/EFI/BOOT"])
    return image


def _add_isolinux(menus: _Menus, efi_image: Path, tree: Path) -> List[StrPath]:
    """Add isolinux(1) for BIOS; return xorriso's options for it and for UEFI, and a disk's too."""
    folder = tree / "isolinux"
    _write_files({"isolinux.cfg": menus.isolinux(), "grub.conf": menus.legacy(),
                  "memtest": "A memory test would be here.\n"}, folder)
    for name in ("isolinux.bin", *_MENU_FILES):
        shutil.copyfile(_found(name, _SYSLINUX), folder / name)
    for place in (menus.layout.kernel, menus.layout.initramfs):
        if not (folder / Path(place).name).exists():
            os.link(tree / place, folder / Path(place).name)
    return ["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot",
            "-boot-load-size", "4", "-boot-info-table", "-eltorito-alt-boot",
            "-e", efi_image.relative_to(tree), "-no-emul-boot"]


def _add_grub(menus: _Menus, efi_image: Path, tree: Path) -> List[StrPath]:
    """Add GRUB for BIOS; return xorriso's options for it and for UEFI, and a disk's too."""
    local = ["set root=(hd0)", "chainloader +1"]
    _write_files({"boot/grub2/grub.cfg": menus.grub("linux", local)}, tree)
    _make_grub("i386-pc-eltorito", "/boot/grub2", tree / "images/eltorito.img")
    return ["--grub2-mbr", _found("i386-pc/boot_hybrid.img", _GRUB), "-partition_offset", "16",
            "-append_partition", "2", _EFI_PARTITION, efi_image, "-appended_part_as_gpt",
            "-iso_mbr_part_type", _BASIC_DATA,
            "-c", "boot.cat", "--boot-catalog-hide", "-b", "images/eltorito.img",
            "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "--grub2-boot-info",
            "-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::",
            "-no-emul-boot"]


def _make_grub(target: str, prefix: str, output: Path) -> None:
    """Make GRUB's program for ``target``, with those of the modules that it has for it.

    ``prefix`` is the folder of its menu, where it was started from.
    """
    # The target of a CD has the modules of the one for a disk.
    first = _found(f"{target.replace('-eltorito', '')}/normal.mod", _GRUB)
    modules = [name for name in _MODULES if first.with_name(f"{name}.mod").exists()]
    run([_program(*_GRUB_PROGRAMS), "-O", target, "-d", first.parent, "-p", prefix,
         "-o", output, *modules])


def _write(tree: Path, output: Path, volume_id: str, booting: Sequence[StrPath]) -> None:
    """Write the ISO."""
    _settle(tree)
    run(["env", f"SOURCE_DATE_EPOCH={_EPOCH}", "xorriso", "-no_rc", "-as", "mkisofs", "-quiet",
         "-r", "-J", "-joliet-long", "-V", volume_id, *booting, "-o", output,
         tree])


def _write_files(files: Mapping[str, str], folder: Path) -> None:
    for name, text in files.items():
        _placed(folder / name).write_text(text, encoding="utf-8")


def _settle(tree: Path) -> None:
    """Give all of a tree the same time."""
    for path in (tree, *tree.rglob("*")):
        os.utime(path, (_EPOCH, _EPOCH), follow_symlinks=False)


def _placed(path: Path) -> Path:
    """Return ``path`` when the folder it is in is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _program(*names: str) -> Path:
    """Return the program that is called by the first of ``names`` that is there."""
    for name in names:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise FixtureError(f"this machine has no program {' or '.join(names)}", hint=_HINT)


def _found(name: str, folders: Sequence[str]) -> Path:
    """Return the boot loader's file ``name`` in the first of ``folders`` that has it."""
    for folder in folders:
        path = Path(folder, name)
        if path.exists():
            return path
    raise FixtureError(f"this machine has no {name} in {' or '.join(folders)}", hint=_HINT)
