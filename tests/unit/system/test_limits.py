"""Files of a root are read up to a limit, and their text with work that grows linearly."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Dict

import pytest

from ovirt_node_plugin import target
from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.settings.firewall import firewall_files
from ovirt_node_plugin.settings.sysctl import sysctl_files
from ovirt_node_plugin.system import account_files, limits
from ovirt_node_plugin.system.entries import read_entry, read_text

pytestmark = pytest.mark.unit

Reader = Callable[[Path], object]

READERS: Dict[str, Reader] = {
    "etc/passwd": account_files.users,
    "etc/group": account_files.groups,
    "etc/sysctl.conf": lambda root: sysctl_files.assignments(root, "vm.swappiness"),
    "etc/firewalld/firewalld.conf": firewall_files.default_zone,
    "etc/firewalld/zones/public.xml":
        lambda root: firewall_files.read_config(root, "zones", "public"),
    "opt/any": lambda root: read_entry(root, "opt/any"),
    "opt/text": lambda root: read_text(root, "opt/text"),
}


def make_sparse(root: Path, name: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    os.truncate(path, 12 << 30)


@pytest.mark.parametrize("name", READERS)
def test_a_sparse_file_of_12_gib_is_refused(name: str, tmp_path: Path) -> None:
    make_sparse(tmp_path, name)
    with pytest.raises(Refused) as caught:
        READERS[name](tmp_path)
    assert f"/{name} in {tmp_path} is larger than" in caught.value.message
    assert caught.value.hint == "Find out what made it, and replace it by a smaller one."


def test_a_digest_is_read_of_a_file_of_any_size(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"")
    os.truncate(path, limits.EDITED_BYTES + 1)
    entry = read_entry(tmp_path, "large", content=False)
    assert entry is not None
    assert len(entry.digest) == 64


def test_an_os_release_that_is_too_large_is_ignored(tmp_path: Path) -> None:
    make_sparse(tmp_path, "etc/os-release")
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/os-release").write_text("VARIANT_ID=ovirt-node\n")
    assert target.identify(tmp_path).is_node
