"""ISO images booted in QEMU by software emulation, with a kernel of Debian.

They boot an initramfs that this module makes: it mounts the ISO's root as a live system
does and answers questions from the root on the serial console (see ``live_init``).
"""
from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Sequence

from ovirt_node_plugin.system.run import run

from .full_node.debian import debian_tree
from .rpms import HERE, FixtureError, busybox

_MODULES = ("virtio_pci", "virtio_scsi", "sr_mod", "isofs", "loop", "squashfs", "ext4", "overlay")

_QEMU = ("qemu-system-x86_64", "/usr/libexec/qemu-kvm")  # Debian's, EL's
_FIRMWARE = (("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
             ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
             ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
             ("/usr/share/edk2/ovmf/OVMF_CODE.cc.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"))
_HINT = "Run tools/setup chroot: it installs what boots images."
_MEMORY_MIB = 512
_SYSTEM_MEMORY_MIB = 1024
_END_CHARS = 2000

_ANSWER = re.compile(r"-----BEGIN (\S+)-----\n(.*?)-----END \1 (\d+)-----$",
                     re.DOTALL | re.MULTILINE)
_DONE = "\n-----DONE-----\n"


@dataclass(frozen=True)
class ShellResult:
    """The result of a question's shell: standard output and error, and exit status."""

    text: str
    status: int


def kernel_file() -> Path:
    """Return the path of the kernel to boot."""
    (kernel,) = debian_tree().glob("boot/vmlinuz-*")
    return kernel


def make_initramfs(questions: Mapping[str, str], output: Path) -> Path:
    """Make an initramfs that runs ``questions`` in a live ISO's root; return ``output``.

    They map names, run in sorted order, to commands of the root's ``/bin/sh``. The ISO is
    mounted at ``/run/initramfs/live``. Needs root.
    """
    return pack_initramfs(HERE / "live_init", _MODULES, output, questions)


def pack_initramfs(init: Path, names: Sequence[str], output: Path,
                   questions: Mapping[str, str]) -> Path:
    """Make an initramfs with busybox, whose first process is ``init``; return ``output``.

    ``names`` are the kernel modules whose files are in ``/modules``, in the order of
    ``/modules/order``. ``questions`` are written to files of these names in ``/questions``.
    """
    with tempfile.TemporaryDirectory(prefix="initramfs") as name:
        tree = Path(name, "tree")
        for folder in ("bin", "modules", "questions"):
            (tree / folder).mkdir(parents=True)
        shutil.copy(init, tree / "init")
        shutil.copy(busybox(), tree / "bin/busybox")
        (tree / "bin/sh").symlink_to("busybox")
        (modules,) = debian_tree().glob("lib/modules/*")
        files = module_files(modules, names)
        for file in files:
            shutil.copy(file, tree / "modules")
        (tree / "modules/order").write_text("".join(f"{file.name}\n" for file in files))
        for question, shell in questions.items():
            (tree / "questions" / question).write_text(shell)
        _archive(tree, output)
    return output


def module_files(modules: Path, names: Iterable[str]) -> List[Path]:
    """Return the files of kernel modules and their dependencies, dependencies first.

    ``modules`` is the kernel's folder. A built-in module has no file. Raises FixtureError
    for a module that the kernel lacks.
    """
    needs: Dict[str, List[str]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[path] = others.split()
    built_in = (modules / "modules.builtin").read_text().split()
    files: List[str] = []
    for name in names:
        (path,) = [file for file in (*needs, *built_in) if _module_name(file) == name] or [""]
        if not path:
            raise FixtureError(f"the kernel of {modules} has no module {name}")
        # modules.dep lists the module to be loaded first at the end
        files += [*reversed(needs[path]), path] if path in needs else []
    return [modules / path for path in dict.fromkeys(files)]


def _module_name(path: str) -> str:
    return Path(path).name.partition(".")[0].replace("-", "_")


def _archive(tree: Path, output: Path) -> None:
    """Pack a tree in the kernel's format (its initramfs-buffer-format.rst)."""
    names = "\n".join(sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*")))
    plain = tree.with_name("plain")
    run(["cpio", "--quiet", "--create", "--format=newc", "--owner=0:0", f"--directory={tree}",
         f"--file={plain}"], stdin=names.encode())
    output.write_bytes(gzip.compress(plain.read_bytes(), 6))


def boot_iso(iso: Path, *, firmware: str = "bios", timeout_s: float = 120) -> str:
    """Boot an ISO from a CD drive; return the output of the serial console until power-off.

    ``firmware`` is ``bios`` or ``uefi``. It boots what the ISO's boot records name; its
    output has to be sent to ttyS0. Raises FixtureError with the end of the output if the
    machine is not off after ``timeout_s``, if QEMU or the firmware is missing, and with
    QEMU's message if that fails.
    """
    with tempfile.TemporaryDirectory(prefix="qemu") as name:
        return _console(iso, [
            *_machine(_MEMORY_MIB), *_firmware_drives(firmware, Path(name)),
            "-device", "scsi-cd,drive=iso",
            "-drive", f"if=none,id=iso,media=cdrom,readonly=on,format=raw,file={_escaped(iso)}"],
            timeout_s)


def boot_disk(disk: Path, kernel: Path, initramfs: Path, arguments: str, *,
              timeout_s: float = 900) -> str:
    """Boot a kernel and an initramfs with the disk /dev/sda; return the console's output.

    ``arguments`` are the kernel's; the console is ttyS0. Raises FixtureError as boot_iso
    does.
    """
    return _console(disk, [
        *_machine(_SYSTEM_MEMORY_MIB), "-device", "scsi-hd,drive=disk",
        "-drive", f"if=none,id=disk,format=raw,file={_escaped(disk)}",
        "-kernel", str(kernel), "-initrd", str(initramfs), "-append", arguments], timeout_s)


def boot_disks(disks: Sequence[Path], kernel: Path, initramfs: Path, arguments: str, *,
               timeout_s: float = 900) -> str:
    """Boot a kernel and an initramfs with disks, of which only /dev/vda is written.

    Otherwise as ``boot_disk``.
    """
    drives = [f"if=virtio,format=raw,file={_escaped(disk)}" + (",readonly=on" if number else "")
              for number, disk in enumerate(disks)]
    return _console(disks[0], [
        *_machine(_SYSTEM_MEMORY_MIB), *(word for drive in drives for word in ("-drive", drive)),
        "-kernel", str(kernel), "-initrd", str(initramfs), "-append", arguments], timeout_s)


def _console(drive: Path, argv: List[str], timeout_s: float) -> str:
    try:
        completed = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as exc:
        raise FixtureError(f"{drive} has not switched off after {timeout_s:g} s"
                           f"; its console ends: {_text(exc.stdout or b'')[-_END_CHARS:]}",
                           hint="Give it more time if it was still at work.") from exc
    if completed.returncode != 0:
        raise FixtureError(f"{argv[0]} failed with status {completed.returncode}: "
                           f"{_text(completed.stderr).strip()}")
    return _text(completed.stdout)


def _machine(memory_mib: int) -> List[str]:
    """Return QEMU's arguments except drives. EL's QEMU has this bus too, and it is fast."""
    return [_program(), "-machine", "q35,accel=tcg", "-cpu", "qemu64", "-m", str(memory_mib),
            "-display", "none", "-nic", "none", "-no-reboot", "-monitor", "none",
            "-serial", "stdio", "-device", "virtio-scsi-pci"]


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")  # qemu(1): a comma ends a value


def _firmware_drives(firmware: str, work: Path) -> List[str]:
    if firmware == "bios":
        return []
    if firmware != "uefi":
        raise FixtureError(f"there is no firmware {firmware}", hint="Take bios or uefi.")
    code, variables = _firmware()
    shutil.copy(variables, work / "variables")
    return ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}",
            "-drive", f"if=pflash,format=raw,unit=1,file={work / 'variables'}"]


def _program() -> str:
    for name in _QEMU:
        path = shutil.which(name)
        if path:
            return path
    raise FixtureError(f"this machine has no {' or '.join(_QEMU)}", hint=_HINT)


def _firmware() -> Sequence[str]:
    """Return the files of UEFI firmware: its code and its initial variables."""
    for pair in _FIRMWARE:
        if all(os.path.exists(file) for file in pair):
            return pair
    raise FixtureError(f"this machine has no {' or '.join(code for code, _ in _FIRMWARE)}",
                       hint=_HINT)


def _text(output: bytes) -> str:
    """Return a console's output with lines that end in a newline."""
    return output.decode(errors="replace").replace("\r\n", "\n")


def answers(console: str) -> Dict[str, ShellResult]:
    """Map the names of ``make_initramfs``'s questions to their answers.

    Raises FixtureError with the end of the output if not all questions were run.
    """
    if _DONE not in console:
        raise FixtureError(f"the ISO did not boot completely: {console[-_END_CHARS:]}",
                           hint="Look for a line FAILED or for the last messages of the kernel.")
    return {name: ShellResult(text, int(status)) for name, text, status in _ANSWER.findall(console)}
