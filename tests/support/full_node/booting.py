"""A tree like the full Node, booted in QEMU by its own kernel and initramfs from a disk."""
from __future__ import annotations

from pathlib import Path
from typing import Dict, Mapping

from ovirt_node_plugin.system.run import run

from .. import qemu
from .installing import in_root

_DISK_MIB = 2048
# What else writes to the console would come in between the answers.
_ARGUMENTS = ("root=/dev/sda rw console=ttyS0 quiet loglevel=1 systemd.show_status=no"
              " systemd.mask=serial-getty@ttyS0.service")
# Debian's kernel has SELinux, which has to be chosen. Debian's policy was not written for
# what is only here: it says what it would forbid.
_SELINUX = "security=selinux enforcing=0"
_CONTEXTS = "/etc/selinux/targeted/contexts/files/file_contexts"
_UNIT = """[Unit]
Description=Ask what a test wants to know, then switch off
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/bin/sh /etc/questions.sh
StandardOutput=file:/dev/ttyS0

[Install]
WantedBy=multi-user.target
"""


def ask_booted(root: Path, questions: Mapping[str, str], work: Path) -> Dict[str, qemu.ShellResult]:
    """Boot ``root`` and return what ``questions``, shell by name, are answered when it is up.

    They are asked by a unit that is put into ``root``, which is then labelled by its own
    policy, as it is loaded; ``work`` is a folder for the disk.
    """
    lines = ["stty -F /dev/ttyS0 -onlcr"]
    for name, shell in questions.items():
        lines += [f"echo '-----BEGIN {name}-----'", f"( {shell}\n) </dev/null 2>&1",
                  f"echo \"-----END {name} $?-----\""]
    lines += ["echo", "echo '-----DONE-----'", "systemctl poweroff"]
    (root / "etc/questions.sh").write_text("\n".join(lines) + "\n")
    (root / "etc/systemd/system/questions.service").write_text(_UNIT)
    run(["systemctl", f"--root={root}", "enable", "questions.service"])
    # of "/", setfiles would inform the audit system, which is not there
    in_root(root, "setfiles", "-F", *(word for name in ("/dev", "/proc", "/tmp")
                                      for word in ("-e", name)), _CONTEXTS, "/.")
    disk = work / "disk"
    run(["truncate", f"--size={_DISK_MIB}M", disk])
    run(["mkfs.ext4", "-q", "-d", root, disk])
    (kernel,) = (root / "usr/lib/modules").iterdir()
    console = qemu.boot_disk(disk, kernel / "vmlinuz", root / f"boot/initramfs-{kernel.name}.img",
                             f"{_ARGUMENTS} {_SELINUX}")
    return qemu.answers(console)
