"""Accounts in image mode: declared in /usr, and apart from those of the base image."""
from __future__ import annotations

import re
from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.errors import CommandError, Refused
from ovirt_node_plugin.plugin.settings import Group, Setting, User
from ovirt_node_plugin.settings.accounts import sysusers
from ovirt_node_plugin.settings.engine import checking, kinds
from tests.support.applied import apply_all
from tests.support.settings_root import (
    changed_paths,
    context,
    differences,
    make_root,
    revert_settings,
    tree,
    wanted_settings,
    write_file,
)

DECLARED = "usr/lib/sysusers.d"
ACME = User("acme", "", "/var/lib/acme", "/sbin/nologin", "", ("kvm",), "")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root in image mode whose system accounts are those of nss-altfiles."""
    root_folder = make_root(tmp_path / "root")
    (root_folder / "usr/lib/bootc").mkdir()
    (root_folder / DECLARED).mkdir()
    write_file(root_folder, "etc/group", "root:x:0:\nkvm:x:36:\n")
    write_file(root_folder, "usr/lib/passwd", "root:x:0:0::/root:/bin/sh\nqemu:x:107:107::/:/x\n"
               "polkitd:x:999:998::/:/sbin/nologin\n")
    write_file(root_folder, "usr/lib/group", "root:x:0:\nqemu:x:107:\npolkitd:x:998:\n")
    return root_folder


def numbers(root: Path, file: str, name: str) -> List[str]:
    return [line.split(":")[2] for line in (root / f"etc/{file}").read_text().splitlines()
            if line.startswith(f"{name}:")]


def test_accounts_are_declared_in_usr_with_free_numbers(root: Path) -> None:
    before, ctx = tree(root), context(root)
    items = wanted_settings(ctx, ACME)
    checking.check(items, ctx, others={})
    applied = apply_all(items, ctx)
    assert numbers(root, "passwd", "acme") == numbers(root, "group", "acme") == ["997"]
    declared = {path.name: path.read_text().splitlines()[-1]
                for path in (root / DECLARED).iterdir()}
    assert declared == {
        "node-plugin-group-acme.conf": "g acme 997",
        "node-plugin-group-kvm.conf": "g kvm 36",
        "node-plugin-user-acme.conf": "u acme 997:acme - /var/lib/acme /sbin/nologin",
        "node-plugin-member-kvm@acme.conf": "m acme kvm"}
    assert [path for path in changed_paths(applied) if "sysusers" in path and DECLARED not in path
            ] == []
    assert kinds.verify(applied, ctx) == ()
    revert_settings(root, "foo", {"foo": applied})
    assert differences(before, tree(root)) == []


def test_the_declarations_make_the_accounts_in_an_older_etc(root: Path) -> None:
    """/etc/passwd of a deployed host is kept once the host changed it."""
    ctx, files = context(root), ("passwd", "group", "shadow", "gshadow")
    old = {name: (root / f"etc/{name}").read_bytes() for name in files[:2]}
    apply_all(wanted_settings(ctx, ACME), ctx)
    for name in files:
        (root / f"etc/{name}").unlink()
    for name, data in old.items():
        (root / f"etc/{name}").write_bytes(data)
    ctx.run(["systemd-sysusers", f"--root={root}"])
    assert numbers(root, "passwd", "acme") == ["997"]
    assert "kvm:x:36:acme" in (root / "etc/group").read_text()


@pytest.mark.parametrize(("setting", "message"), [
    (Group("qemu", ""), "that name is in /usr/lib/group of the base image"),
    (User("polkitd", "", "", "", "kvm", (), ""), "that name is in /usr/lib/passwd of the base"),
    (User("acme", "", "", "", "qemu", (), ""), "that name is in /usr/lib/group of the base image"),
    (User("acme", "107", "", "", "kvm", (), ""), "in the root uid 107 is qemu's"),
    (Group("acme", "998"), "in the root gid 998 is polkitd's")])
def test_accounts_of_the_base_image_are_refused(root: Path, setting: Setting,
                                                message: str) -> None:
    with pytest.raises(Refused, match=re.escape(message)):
        checking.check(wanted_settings(context(root), setting), context(root), others={})


def test_accounts_of_packages_keep_apart_from_those_of_the_base_image(root: Path) -> None:
    """These are lines that packages declare, some of which are wrong."""
    ctx = context(root)
    sysusers.run_sysusers(ctx, "-", lines=[
        'u acme - "Acme - agent" /opt /sbin/nologin', "g vendor", "u vendor -:kvm", "g qemu -",
        "u polkitd 123", "u fixed 321", "m acme kvm"])
    assert numbers(root, "passwd", "acme") == ["997"]
    assert numbers(root, "group", "vendor") == ["996"]
    assert numbers(root, "passwd", "vendor") == ["995"]
    assert numbers(root, "passwd", "fixed") == ["321"]
    assert numbers(root, "group", "qemu") == numbers(root, "passwd", "polkitd") == []
    assert ":Acme - agent:/opt:/sbin/nologin" in (root / "etc/passwd").read_text()
    for wrong in ("u ", "g", "u a b c d e f"):
        with pytest.raises(CommandError):
            sysusers.run_sysusers(ctx, "-", lines=[wrong])


def test_the_hint_makes_an_account_of_the_base_image_usable(root: Path) -> None:
    ctx, setting = context(root), User("acme", "", "", "", "", ("qemu",), "")
    with pytest.raises(Refused) as refused:
        checking.check(wanted_settings(ctx, setting), ctx, others={})
    command = refused.value.hint.partition("plugins: ")[2]
    assert command == "grep '^qemu:' /usr/lib/group >> /etc/group"
    ctx.run(["sh", "-c", command.replace(" /", f" {root}/")])
    items = wanted_settings(ctx, setting)
    checking.check(items, ctx, others={})
    apply_all(items, ctx)
    assert "qemu:x:107:acme" in (root / "etc/group").read_text()
