"""Folders of libraries on the full Node, by its own ldconfig."""
from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Dict, Tuple

import pytest

from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.plugin.settings import ConfigFile
from ovirt_node_plugin.settings.engine import checking
from ovirt_node_plugin.undo.changes import Applied
from tests.support.agent_plugins import changes_to_full_node
from tests.support.applied import apply_all
from tests.support.full_node import in_root
from tests.support.settings_root import (
    context,
    ledger_of,
    make_root,
    problem_texts,
    revert_settings,
    wanted_settings,
    write_file,
)

pytestmark = [pytest.mark.root]

SETTING = ConfigFile("ld.so", "acme.conf", "files/acme")


def install(root: Path, name: str, applied: Dict[str, Tuple[Applied, ...]]) -> None:
    """Apply the setting of a plugin with a library of its own."""
    folder = root / "opt" / name
    folder.mkdir()
    (library,) = (root / "usr/lib").glob("*/libz.so.1")
    shutil.copy(library, folder / f"lib{name}.so.1")
    ctx = replace(context(root, name), bundle_files={"files/acme": f"/opt/{name}\n".encode()})
    items = wanted_settings(ctx, replace(SETTING, name=f"{name}.conf"))
    assert items[-1].text == f"make the library cache again, with {name}.conf"
    checking.check(items, ctx, others=applied)
    applied[name] = apply_all(items, ctx, ledger_of(applied))


def folders_of(root: Path) -> Tuple[bool, ...]:
    """Return whether the loader finds each plugin's library."""
    cached = in_root(root, "ldconfig", "-p")
    return tuple(f"/opt/{name}/" in cached for name in ("one", "two"))


def test_the_loader_finds_libraries_until_their_plugin_is_removed(full_root: Path) -> None:
    before = (full_root / "etc/ld.so.cache").read_bytes()
    applied: Dict[str, Tuple[Applied, ...]] = {}
    install(full_root, "one", applied)
    assert folders_of(full_root) == (True, False)
    install(full_root, "two", applied)
    assert folders_of(full_root) == (True, True)
    assert problem_texts(applied["one"], context(full_root, "one")) == ()
    revert_settings(full_root, "one", applied)
    assert folders_of(full_root) == (False, True)
    revert_settings(full_root, "two", applied)
    assert (full_root / "etc/ld.so.cache").read_bytes() == before
    shutil.rmtree(full_root / "opt/one")
    install(full_root, "one", applied)
    (full_root / "etc/ld.so.cache").write_bytes(b"of another ldconfig")
    revert_settings(full_root, "one", applied)
    assert folders_of(full_root) == (False, False)
    for name in ("one", "two"):
        shutil.rmtree(full_root / "opt" / name)
    assert not [path for path in changes_to_full_node(full_root)
                if path not in ("var/cache/ldconfig/aux-cache",)]


def test_a_root_without_ldconfig_is_refused(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    write_file(root, "etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n")
    ctx = replace(context(root), bundle_files={"files/acme": b"/opt/acme\n"})
    with pytest.raises(Refused, match="with acme.conf, but the root has no ldconfig"):
        checking.check(wanted_settings(ctx, SETTING), ctx, others={})
