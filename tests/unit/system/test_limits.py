"""Files of a root are read up to a limit, and their text with work that grows linearly."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Dict

import pytest

from ovirt_node_plugin import target
from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.settings.certificates import pem
from ovirt_node_plugin.settings.firewall import firewall_files
from ovirt_node_plugin.settings.firewall.firewall_files import Range
from ovirt_node_plugin.settings.sysctl import sysctl_files
from ovirt_node_plugin.system import account_files, limits
from ovirt_node_plugin.system.entries import read_entry, read_text
from ovirt_node_plugin.system.trees import walk
from ovirt_node_plugin.undo.changes import Watch, capture

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


def make_sparse(root: Path, name: str, *, size_bytes: int = 12 << 30) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    os.truncate(path, size_bytes)


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


def test_a_digest_is_not_read_of_a_file_without_end(tmp_path: Path) -> None:
    make_sparse(tmp_path, "opt/large", size_bytes=8 << 40)
    with pytest.raises(Refused, match="/opt/large in .* is larger than 17179869184 bytes"):
        read_entry(tmp_path, "opt/large", content=False)


def test_an_os_release_that_is_too_large_is_ignored(tmp_path: Path) -> None:
    make_sparse(tmp_path, "etc/os-release")
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/os-release").write_text("VARIANT_ID=ovirt-node\n")
    assert target.identify(tmp_path).is_node


def nested(folder: Path, depth: int) -> Path:
    """Make folders below ``folder``; return the deepest one."""
    for _ in range(depth):
        folder /= "a"
        folder.mkdir()
    return folder


def test_deeply_nested_folders_are_refused_where_all_entries_are_listed(tmp_path: Path) -> None:
    deepest = nested(tmp_path, limits.FOLDER_DEPTH)
    assert len(list(walk(tmp_path))) == limits.FOLDER_DEPTH
    (deepest / "file").write_text("")
    with pytest.raises(Refused, match="has more than 100 levels of folders"):
        list(walk(tmp_path))


def test_deeply_nested_folders_are_refused_where_content_is_kept(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    nested(tmp_path / "etc", 1500)
    with pytest.raises(Refused, match="is below 100 levels of folders"):
        capture(tmp_path, [Watch("etc", "*", deep=True)])


def test_the_contents_that_are_kept_are_limited_together(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for number in range(5):
        make_sparse(tmp_path, f"etc/{number}", size_bytes=15 << 20)
    with pytest.raises(Refused, match="have more than 67108864 bytes"):
        capture(tmp_path, [Watch("etc", "*")])


ZONES: Dict[str, Callable[[int], str]] = {
    "comments that do not end": lambda size: "<!--" * size,
    "rules that do not end": lambda size: "<rule " * size,
    "ports that do not end": lambda size: "<port " * size,
    "a long name": lambda size: f'<port {"a" * size}/>',
    "ports": lambda size: '<port port="1" protocol="tcp"/>\n' * size,
}


@pytest.mark.parametrize("name", ZONES)
def test_a_zone_of_the_largest_size_is_read(name: str) -> None:
    """The time of an expression that is not linear would be hours."""
    text = ZONES[name](limits.TEXT_BYTES // 6)[:limits.TEXT_BYTES]
    ports = [Range(1, 1, "tcp")] * text.count("<port port=")
    assert firewall_files.ports(text) == tuple(ports)
    if ports:
        assert firewall_files.without_ports(text.encode(), ports[:1]) == b""


def test_elements_on_one_line_are_removed_with_the_line() -> None:
    text = b'<zone>\n  <port port="1" protocol="tcp"/><port port="1" protocol="tcp"/>\n</zone>\n'
    assert firewall_files.without_ports(text, [Range(1, 1, "tcp")]) == b"<zone>\n</zone>\n"
    kept = b'<zone> <port port="1" protocol="tcp"/> </zone>\n'
    assert firewall_files.without_ports(kept, [Range(1, 1, "tcp")]) == b"<zone>  </zone>\n"


def test_pem_blocks_that_do_not_end_are_read_in_linear_time() -> None:
    assert pem.problem(b"-----BEGIN CERTIFICATE-----\n" * 100_000) == (
        "that file has no complete block of PEM")
    assert pem.problem(b"-----BEGIN A-----\n-----END " * 100_000) == (
        "that file has no complete block of PEM")
