"""Paths to be kept over new images, in a root made by hand."""
from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Dict, Tuple

import pytest

from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.plugin.settings import PersistentPath
from ovirt_node_plugin.settings.engine import checking, kinds, selection
from ovirt_node_plugin.settings.engine.apply import apply_all
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import do_revert, plan_revert
from ovirt_node_plugin.settings.kit.model import Facts
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.undo.changes import Applied
from tests.support.settings_root import (
    RecordingRunner,
    changed_paths,
    context,
    descriptor,
    differences,
    ledger_of,
    make_root,
    tree,
)

FOLDER = "etc/statetab.d"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = make_root(tmp_path / "root")
    (made / "var/lib/acme").mkdir(parents=True)
    return made


def test_a_path_is_named_where_a_stateless_node_looks_and_goes_again(root: Path) -> None:
    before, ctx = tree(root), context(root)
    items = selection.wanted(descriptor(PersistentPath("/var/lib/acme")), ctx)
    assert [item.text for item in items] == ["keep /var/lib/acme over new images"]
    checking.check(items, ctx, others={})
    applied = apply_all(items, ctx)
    assert changed_paths(applied) == [FOLDER, f"{FOLDER}/node-plugin-foo=var,lib,acme.state"]
    # what the boot script of readonly-root makes of the folder, which asks a shell
    said = run(["sh", "-c", 'for file in "$1"/*; do for path in $(grep -v "^#" "$file"); do'
                ' echo "$path"; done; done', "sh", root / FOLDER])
    assert said == "/var/lib/acme\n"
    assert kinds.verify(applied, ctx) == ()
    assert changed_paths(apply_all(items, ctx)) == []
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_no_program_is_started(root: Path) -> None:
    runner = RecordingRunner()
    ctx = context(root, runner=runner)
    items = selection.wanted(descriptor(PersistentPath("/var/lib/acme")), ctx)
    checking.check(items, ctx, others={})
    apply_all(items, ctx)
    assert runner.argvs == []


def test_a_path_that_nothing_made_is_refused(root: Path) -> None:
    ctx = context(root)
    items = selection.wanted(descriptor(PersistentPath("/var/lib/other")), ctx)
    checking.check(items, ctx, others={})
    with pytest.raises(Refused, match="there is no such file or folder"):
        apply_all(items, ctx)


def test_a_path_that_is_gone_is_told(root: Path) -> None:
    ctx = context(root)
    applied = apply_all(
        selection.wanted(descriptor(PersistentPath("/var/lib/acme")), ctx), ctx)
    shutil.rmtree(root / "var/lib/acme")
    assert kinds.verify(applied, ctx) == ("/var/lib/acme, to be kept, is missing",)


def test_two_plugins_may_keep_one_path(root: Path) -> None:
    held: Dict[str, Tuple[Applied, ...]] = {}
    for name in ("a", "a-var"):
        ctx = context(root, name)
        items = selection.wanted(descriptor(PersistentPath("/var/lib/acme")), ctx)
        checking.check(items, ctx, others=held)
        held[name] = apply_all(items, ctx, ledger_of(held))
    assert len(list((root / FOLDER).iterdir())) == 2


@pytest.mark.parametrize(("path", "said"), [
    ("/etc/passwd", "package setup-2.13-1.noarch has /etc/passwd"),
    ("/var/lib", "the system has /var/lib"),
    ("/etc/ovirt.plugins.d/acme", "the system has /etc/ovirt.plugins.d/acme"),
    ("/opt/acme/link", "package setup-2.13-1.noarch has /etc/passwd"),
    ("/opt/acme/folder/b", "the system has /etc/ovirt-node-plugin/b"),
])
def test_a_path_that_is_not_the_plugins_is_refused(root: Path, path: str, said: str) -> None:
    (root / "opt/acme").mkdir(parents=True)
    (root / "opt/acme/link").symlink_to("/etc/passwd")
    (root / "opt/acme/folder").symlink_to("../../etc/ovirt-node-plugin")
    owners = {"etc/passwd": "package setup-2.13-1.noarch", "var/lib/acme": "package acme-1-1"}
    ctx = dataclasses.replace(context(root, files=["/var/lib/acme"]), facts=Facts(
        owner=lambda name: owners.get(name, "")))
    items = selection.wanted(descriptor(PersistentPath(path)), ctx)
    with pytest.raises(Refused, match=said):
        checking.check(items, ctx, others={})
    own = selection.wanted(descriptor(PersistentPath("/var/lib/acme")), ctx)
    checking.check(own, ctx, others={})
