"""Paths that are kept across image updates, in a minimal root."""
from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Dict, Tuple

import pytest

from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.plugin.settings import PersistentPath
from ovirt_node_plugin.settings.engine import checking, kinds, selection
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import do_revert, plan_revert
from ovirt_node_plugin.settings.kit.model import Facts
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.undo.changes import Applied
from tests.support.applied import apply_all
from tests.support.settings_root import (
    RecordingRunner,
    changed_paths,
    context,
    descriptor,
    differences,
    ledger_of,
    make_root,
    problem_texts,
    tree,
)

FOLDER = "etc/statetab.d"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root_folder = make_root(tmp_path / "root")
    (root_folder / "var/lib/acme").mkdir(parents=True)
    return root_folder


def test_a_path_is_written_to_statetab_and_removed(root: Path) -> None:
    before, ctx = tree(root), context(root)
    items = selection.wanted(descriptor(PersistentPath("/var/lib/acme")), ctx)
    assert [item.text for item in items] == ["keep /var/lib/acme over new images"]
    checking.check(items, ctx, others={})
    applied = apply_all(items, ctx)
    assert changed_paths(applied) == [FOLDER, f"{FOLDER}/node-plugin-foo=var,lib,acme.state"]
    # how the boot script of readonly-root reads the folder
    output = run(["sh", "-c", 'for file in "$1"/*; do for path in $(grep -v "^#" "$file"); do'
                  ' echo "$path"; done; done', "sh", root / FOLDER])
    assert output == "/var/lib/acme\n"
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


def test_a_path_that_does_not_exist_after_the_install_is_refused(root: Path) -> None:
    ctx = context(root)
    items = selection.wanted(descriptor(PersistentPath("/var/lib/other")), ctx)
    checking.check(items, ctx, others={})
    with pytest.raises(Refused, match="there is no such file or folder"):
        apply_all(items, ctx)


def test_verify_reports_a_missing_path(root: Path) -> None:
    ctx = context(root)
    applied = apply_all(
        selection.wanted(descriptor(PersistentPath("/var/lib/acme")), ctx), ctx)
    shutil.rmtree(root / "var/lib/acme")
    assert problem_texts(applied, ctx) == ("/var/lib/acme, to be kept, is missing",)


def test_two_plugins_may_keep_one_path(root: Path) -> None:
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    for name in ("a", "a-var"):
        ctx = context(root, name)
        items = selection.wanted(descriptor(PersistentPath("/var/lib/acme")), ctx)
        checking.check(items, ctx, others=applied_by_plugin)
        applied_by_plugin[name] = apply_all(items, ctx, ledger_of(applied_by_plugin))
    assert len(list((root / FOLDER).iterdir())) == 2


@pytest.mark.parametrize(("path", "message"), [
    ("/etc/passwd", "package setup-2.13-1.noarch has /etc/passwd"),
    ("/var/lib", "the system has /var/lib"),
    ("/etc/ovirt.plugins.d/acme", "the system has /etc/ovirt.plugins.d/acme"),
    ("/opt/acme/link", "package setup-2.13-1.noarch has /etc/passwd"),
    ("/opt/acme/folder/b", "the system has /etc/ovirt-node-plugin/b"),
])
def test_a_path_of_the_system_or_another_package_is_refused(
        root: Path, path: str, message: str) -> None:
    (root / "opt/acme").mkdir(parents=True)
    (root / "opt/acme/link").symlink_to("/etc/passwd")
    (root / "opt/acme/folder").symlink_to("../../etc/ovirt-node-plugin")
    owners = {"etc/passwd": "package setup-2.13-1.noarch", "var/lib/acme": "package acme-1-1"}
    ctx = dataclasses.replace(context(root, files=["/var/lib/acme"]), facts=Facts(
        owner=lambda name: owners.get(name, "")))
    items = selection.wanted(descriptor(PersistentPath(path)), ctx)
    with pytest.raises(Refused, match=message):
        checking.check(items, ctx, others={})
    own = selection.wanted(descriptor(PersistentPath("/var/lib/acme")), ctx)
    checking.check(own, ctx, others={})
