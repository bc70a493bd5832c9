"""The files of Cockpit, of this checkout and of its page in the tree of a host."""
from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Iterator

from ovirt_node_plugin.system.run import run
from tests.support import quick_rpm
from tests.support.dnf_runner import TOP

BRIDGE = Path("/usr/bin/cockpit-bridge")
PAGE = "usr/share/cockpit/ovirt-node-plugin"
USER, USER_ID = "operator", 1000
_COCKPIT = Path("/usr/share/cockpit")
_PYTHON = "usr/lib/python3/dist-packages"
DNF_PLUGIN = f"{_PYTHON}/dnf-plugins/node_plugin.py"
# What of the folder of the page is for its developers only.
_NOT_SERVED = ("tests", "*.d.ts", "jsconfig.json", "tsconfig.json")


def furnish(root: Path) -> None:
    """Install Cockpit's bridge, this checkout and its page in the tree of a Debian system.

    The bridge is this machine's. The checkout is linked, so it must be at the same path where
    the tree is used.
    """
    release = quick_rpm("redhat-release", "9.4", provides=["system-release = 9.4", "/bin/sh"])
    run(["rpm", f"--root={root}", "--define=_dbpath /var/lib/rpm", "--install", release])
    _link_checkout(root)
    _copy_bridge(root)
    copy_page(root)
    with open(root / "etc/passwd", "a", encoding="utf-8") as stream:
        stream.write(f"{USER}:x:{USER_ID}:{USER_ID}:Operator:/home/{USER}:/bin/sh\n")
    (root / "home" / USER).mkdir(parents=True)
    shutil.chown(root / "home" / USER, USER_ID, USER_ID)


def copy_page(root: Path) -> None:
    """Install the page of this checkout."""
    shutil.copytree(TOP / "cockpit", root / PAGE, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns(*_NOT_SERVED))


def _link_checkout(root: Path) -> None:
    """Install the library and both commands as links to this checkout, and the configuration."""
    _parent_made(root / DNF_PLUGIN).symlink_to(TOP / "dnf-plugins/node_plugin.py")
    (root / _PYTHON / "ovirt_node_plugin").symlink_to(TOP / "ovirt_node_plugin")
    (root / "usr/bin/ovirt-node-plugin").symlink_to(TOP / "bin/ovirt-node-plugin")
    for name in ("etc/dnf/plugins/node-plugin.conf", "etc/ovirt-node-plugin/core.d"):
        run(["cp", "-a", "--no-target-directory", TOP / name, _parent_made(root / name)])


def _copy_bridge(root: Path) -> None:
    """Copy the bridge, the libraries that the tree lacks, and the script that pages load."""
    shutil.copy2(BRIDGE, root / "usr/bin")
    for library in _libraries(BRIDGE):
        if not (root / str(library).lstrip("/")).exists():
            shutil.copy2(library, _parent_made(root / str(library).lstrip("/")))
    shutil.copytree(_COCKPIT / "base1", root / "usr/share/cockpit/base1", dirs_exist_ok=True)


def _libraries(program: Path) -> Iterator[Path]:
    for line in run(["ldd", program]).splitlines():
        found = re.search(r"=> (/\S+)", line)
        if found:
            yield Path(found[1])


def _parent_made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
