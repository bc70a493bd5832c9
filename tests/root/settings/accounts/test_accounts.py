"""Users, groups and members, created with the real systemd-sysusers in a minimal root."""
from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import pytest

from ovirt_node_plugin.errors import CommandError, DescriptorError, Drifted, Refused
from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.plugin.settings import Group, Setting, User
from ovirt_node_plugin.registry.outcomes import to_text
from ovirt_node_plugin.registry.undo_data import UndoData
from ovirt_node_plugin.registry.xml import dump_undo_data, load_undo_data
from ovirt_node_plugin.settings.engine import checking, kinds
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import do_revert, plan_revert
from ovirt_node_plugin.settings.engine.upgrade import plan_upgrade
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.undo.changes import Applied, AppliedState
from tests.support.applied import apply_all
from tests.support.sample_bundle import edit_descriptor
from tests.support.settings_root import (
    RecordingRunner,
    apply_settings,
    context,
    differences,
    make_root,
    problem_texts,
    revert_settings,
    tree,
    upgrade_settings,
    wanted_settings,
)

CIM = User("cim", "", "/var/lib/cim", "/sbin/nologin", "sfcb", ("kvm", "qemu"), "CIM 100%")
SFCB = Group("sfcb", "")
KVM = "group kvm gives its members rights over the system"
FILES = ("passwd", "group", "shadow", "gshadow")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with the accounts of a small image."""
    root_folder = make_root(tmp_path / "root")
    for name, text in {
            "passwd": "root:x:0:0:root:/root:/bin/bash\nqemu:x:107:107::/:/sbin/nologin\n",
            "group": "root:x:0:\nkvm:x:36:qemu\nqemu:x:107:\n",
            "shadow": "root:$6$secret:1::::::\nqemu:!!:1::::::\n",
            "gshadow": "root:::\nkvm:::qemu\nqemu:!::\n"}.items():
        (root_folder / "etc" / name).write_text(text)
        (root_folder / "etc" / name).chmod(0o644 if name in ("passwd", "group") else 0o600)
    return root_folder


def lines(root: Path, file: str) -> List[str]:
    return (root / "etc" / file).read_text().splitlines()


def test_a_user_and_its_groups_are_created_and_removed(root: Path) -> None:
    ctx, before = context(root), tree(root)
    items = wanted_settings(ctx, CIM, SFCB)  # in any order
    assert [item.text for item in items] == [
        "create group sfcb", "use group kvm", "use group qemu",
        "create user cim (group sfcb, home /var/lib/cim, shell /sbin/nologin)",
        "add user cim to group kvm", "add user cim to group qemu"]
    checking.check(items, ctx, others={})
    assert tree(root) == before
    applied = apply_all(items, ctx)
    uid, gid = lines(root, "passwd")[-1].split(":")[2:4]
    assert lines(root, "passwd")[-1] == f"cim:x:{uid}:{gid}:CIM 100%:/var/lib/cim:/sbin/nologin"
    assert f"sfcb:x:{gid}:" in lines(root, "group")
    assert [line for line in lines(root, "group") if "cim" in line] == [
        "kvm:x:36:cim,qemu", "qemu:x:107:cim"]
    assert lines(root, "shadow")[-1].startswith("cim:!*:")
    assert any(line.startswith("sfcb:!*") for line in lines(root, "gshadow"))
    assert [path.name for path in (root / "etc").glob("*-")] == []
    assert (root / "etc/sysusers.d/node-plugin-user-cim.conf").read_text().splitlines()[-1] == (
        f'u cim {uid}:sfcb "CIM 100%%" /var/lib/cim /sbin/nologin')
    assert [setting.before for setting in applied] == [
        "absent", "gid=36", "gid=107", "absent", "absent", "absent"]
    assert kinds.verify(applied, ctx) == ()
    after_first = tree(root)
    apply_all(items, ctx)
    assert differences(after_first, tree(root)) == []
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_missing_account_files_are_created_and_removed(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    ctx, before = context(root), tree(root)
    applied = apply_all(wanted_settings(ctx, User("cim", "", "", "", "", (), "")), ctx)
    uid = lines(root, "passwd")[-1].split(":")[2]
    assert lines(root, "group") == [f"cim:x:{uid}:"]  # uid and gid are equal
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize("order", list(itertools.permutations(["one", "two", "three"])))
def test_removing_a_plugin_removes_only_its_accounts(root: Path, order: Sequence[str]) -> None:
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    for name in ("one", "two", "three"):
        apply_settings(root, name, applied_by_plugin,
                       User(f"u-{name}", "", "", "", "", ("kvm", "common"), ""),
                       Group("common", ""))
    for name in order:
        revert_settings(root, name, applied_by_plugin)
        for file in FILES:
            text = (root / "etc" / file).read_text()
            assert f"u-{name}" not in text
            assert all(f"u-{other}" in text for other in applied_by_plugin)
        assert any(
            line.startswith("common:") for line in lines(root, "group")) == bool(applied_by_plugin)
        for other, applied in applied_by_plugin.items():
            assert kinds.verify(applied, context(root, other)) == ()
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize("first", ["one", "two"])
def test_a_user_of_two_plugins_stays_until_the_last_is_removed(root: Path, first: str) -> None:
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    apply_settings(root, "one", applied_by_plugin, CIM, SFCB)
    apply_settings(root, "two", applied_by_plugin, User("cim", "", "", "", "sfcb", ("kvm",), ""),
                   SFCB)
    revert_settings(root, first, applied_by_plugin)
    (name, applied), = applied_by_plugin.items()
    assert kinds.verify(applied, context(root)) == ()
    assert ("cim" in lines(root, "group")[2]) == (name == "one")  # only plugin one adds cim to qemu
    revert_settings(root, name, applied_by_plugin)
    assert differences(before, tree(root)) == []


def test_a_group_stays_for_the_user_of_another_plugin(root: Path) -> None:
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    apply_settings(root, "one", applied_by_plugin, SFCB)
    apply_settings(root, "two", applied_by_plugin, User("cim", "", "", "", "sfcb", (), ""))
    revert_settings(root, "one", applied_by_plugin)
    assert kinds.verify(applied_by_plugin["two"], context(root)) == ()
    revert_settings(root, "two", applied_by_plugin)
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize(("first", "second", "message"), [
    (Group("g", "500"), Group("g", "501"), r"two wants to create group g \(gid 501\), but plugin"
                                           r" one has group g"),
    (Group("g", "500"), Group("h", "500"), "plugin one has group g"),
    (User("u", "500", "", "", "", (), ""), User("u", "501", "", "", "", (), ""), "plugin one has"),
    (User("u", "500", "", "", "", (), ""), User("v", "500", "", "", "", (), ""), "plugin one has"),
    (User("u", "", "/a", "", "", (), ""), User("u", "", "/b", "", "", (), ""), "plugin one has"),
    (User("u", "", "", "/a", "", (), ""), User("u", "", "", "/b", "", (), ""), "plugin one has"),
    (User("u", "", "", "", "", (), ""), User("u", "", "", "", "kvm", (), ""), "plugin one has"),
])
def test_contradicting_accounts_of_two_plugins_are_refused_and_both_named(
        root: Path, first: Setting, second: Setting, message: str) -> None:
    others = {"one": checking.planned(wanted_settings(context(root, "one"), first))}
    ctx = context(root, "two")
    with pytest.raises(Refused, match=f"plugin two wants to .*{message}|{message}"):
        checking.check(wanted_settings(ctx, second), ctx, others=others)


def test_an_id_other_than_the_existing_one_of_another_plugin_is_refused(root: Path) -> None:
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    apply_settings(root, "one", applied_by_plugin, Group("g", ""))
    with pytest.raises(Refused, match="plugin one has group g"):
        apply_settings(root, "two", applied_by_plugin, Group("g", "500"))


@pytest.mark.parametrize(("setting", "message"), [
    (User("u", "107", "", "", "", (), ""), "uid 107 is qemu's"),
    (Group("g", "36"), "gid 36 is kvm's"),
    (Group("kvm", "500"), "it has gid 36"),
    (User("qemu", "500", "", "", "", (), ""), "it has uid 107"),
    (User("qemu", "", "/x", "/y", "", (), ""), "in the root, with home / and shell /sbin/nologin"),
    (User("qemu", "", "", "", "kvm", (), ""), "in the root, with gid 107"),
    (User("u", "", "", "", "qmeu", (), ""), "group qmeu, which is neither in the root nor in"),
    (User("u", "", "", "", "", ("kvm", "qmeu"), ""), "group qmeu, which is neither"),
])
def test_accounts_that_contradict_the_root_are_refused_before_any_change(
        root: Path, setting: Setting, message: str) -> None:
    ctx, before = context(root), tree(root)
    with pytest.raises(Refused, match=message):
        checking.check(wanted_settings(ctx, setting), ctx, others={})
    assert differences(before, tree(root)) == []


def test_existing_accounts_are_used_and_not_removed(root: Path) -> None:
    ctx, before = context(root), tree(root)
    items = wanted_settings(ctx, User("qemu", "107", "/", "", "", ("kvm",), ""), Group("kvm", "36"))
    checking.check(items, ctx, others={})
    applied = apply_all(items, ctx)
    assert [item.text for item in items][:2] == ["use group qemu", "use group kvm (gid 36)"]
    for file in FILES:
        assert tree(root)[f"etc/{file}"] == before[f"etc/{file}"]
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_the_plan_notes_accounts_of_the_root_and_privileged_groups(root: Path) -> None:
    ctx = context(root)
    notes = [note for item in wanted_settings(ctx, User("qemu", "", "", "", "", ("kvm",), ""))
             for note in item.notes]
    assert notes == [
        "user qemu is the root's own account: what it is given here is given to all that runs"
        " as that user", KVM]
    assert [item.notes for item in wanted_settings(
        ctx, User("cim", "", "", "", "", (), ""))] == [(), ()]
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    apply_settings(root, "one", applied_by_plugin, User("cim", "", "", "", "", (), ""))
    assert [item.notes for item in wanted_settings(
        ctx, User("cim", "", "", "", "", (), ""))] == [(), ()]


def test_requested_ids_are_assigned(root: Path) -> None:
    ctx = context(root)
    applied = apply_all(wanted_settings(ctx, User("u", "450", "", "", "", (), ""),
                                               Group("g", "451")), ctx)
    assert "u:x:450:" in lines(root, "group") and "g:x:451:" in lines(root, "group")
    assert lines(root, "passwd")[-1].startswith("u:x:450:450:")
    assert [to_text(setting.outcome) for setting in applied if setting.kind == "group"] == [
        "gid=450 new=yes", "gid=451 new=yes"]


def test_accounts_added_later_are_not_removed(root: Path) -> None:
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    apply_settings(root, "one", applied_by_plugin, CIM, SFCB)
    for file, line in (("passwd", "ann:x:1000:1000::/home/ann:/bin/bash\n"),
                       ("shadow", "ann:$6$x:1::::::\n"), ("group", "ann:x:1000:\n")):
        with open(root / "etc" / file, "a", encoding="ascii") as stream:
            stream.write(line)
    revert_settings(root, "one", applied_by_plugin)
    assert [line.split(":")[0] for line in lines(root, "passwd")] == ["root", "qemu", "ann"]
    assert [line.split(":")[0] for line in lines(root, "shadow")] == ["root", "qemu", "ann"]
    assert lines(root, "group") == ["root:x:0:", "kvm:x:36:qemu", "qemu:x:107:", "ann:x:1000:"]


@pytest.mark.parametrize(("file", "old", "new"), [
    ("passwd", "/var/lib/cim:/sbin/nologin", "/home/cim:/bin/bash"),
    ("shadow", "cim:!*", "cim:$6$secret"), ("group", "sfcb:x:999:", "sfcb:x:999:ann"),
])
def test_an_account_changed_by_hand_is_removed_only_when_forced(
        root: Path, file: str, old: str, new: str) -> None:
    ctx = context(root)
    applied = apply_all(wanted_settings(ctx, CIM, SFCB), ctx)
    path = root / "etc" / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(Drifted) as caught:
        plan_revert(applied, Ledger(), root)
    assert caught.value.paths == (f"etc/{file}",)
    assert plan_revert(applied, Ledger(), root, keep_modified=True).notes == (
        f"/etc/{file} is left as it is: it was changed since",)


def test_verify_reports_missing_and_changed_accounts(root: Path) -> None:
    ctx = context(root)
    applied = apply_all(wanted_settings(ctx, CIM, SFCB), ctx)
    path = root / "etc/passwd"
    uid = lines(root, "passwd")[-1].split(":")[2]
    path.write_text(path.read_text().replace(f"cim:x:{uid}:", "cim:x:77:").replace(
        "/var/lib/cim:/sbin/nologin", "/x:/sbin/nologin"))
    (root / "etc/group").write_text("root:x:0:\nkvm:x:36:qemu\nqemu:x:107:cim\n")
    assert problem_texts(applied, ctx) == (
        "group sfcb is missing",
        f"user cim has uid 77; it had {uid} when the plugin was installed",
        "user cim has home /x, not /var/lib/cim", "user cim is not in group kvm")


def revert_all(root: Path, applied: Sequence[Applied]) -> None:
    """Undo all settings, so that the root is like a new image without plugins."""
    do_revert(plan_revert(applied, Ledger(), root), context(root))


def test_accounts_keep_their_ids_after_an_image_replacement(root: Path) -> None:
    ctx = context(root)
    old = apply_all(wanted_settings(ctx, CIM, SFCB), ctx)
    ids = lines(root, "passwd")[-1].split(":")[2:4]
    revert_all(root, old)
    image = tree(root)
    # it gets the id that cim had
    apply_settings(root, "other", {}, User("other", "", "", "", "", (), ""))
    between = tree(root)
    other_line = lines(root, "passwd")[-1]
    (root / "etc/passwd").write_text((root / "etc/passwd").read_text().replace(
        other_line, other_line.replace(other_line.split(":")[2], "300")))
    (root / "etc/group").write_text((root / "etc/group").read_text().replace(
        f"other:x:{other_line.split(':')[3]}", "other:x:300"))
    plan = plan_upgrade(old, wanted_settings(ctx, CIM, SFCB), {}, ctx, repair=True, replaced=True)
    assert plan.notes == (KVM,)
    applied = upgrade_settings(plan, ctx)
    assert lines(root, "passwd")[-1].split(":")[2:4] == ids
    assert kinds.verify(applied, ctx) == ()
    assert image != between


def test_an_upgrade_notes_ids_that_changed_between_two_images(root: Path) -> None:
    ctx = context(root)
    old = apply_all(wanted_settings(ctx, CIM, SFCB), ctx)
    uid, gid = lines(root, "passwd")[-1].split(":")[2:4]
    revert_all(root, old)
    for file, line in (("passwd", f"ann:x:{uid}:0::/:/bin/sh\n"), ("group", "sfcb:x:77:\n")):
        with open(root / "etc" / file, "a", encoding="ascii") as stream:
            stream.write(line)
    before = tree(root)
    plan = plan_upgrade(old, wanted_settings(ctx, CIM, SFCB), {}, ctx, repair=True, replaced=True)
    assert plan.notes == (
        f"group sfcb has gid 77 in this image, it had {gid}: files that it owned have to be"
        f" given to it again: find FOLDER -xdev -gid {gid} -exec chgrp -h sfcb {{}} +",
        f"user cim had uid {uid}, which is ann's in this image: it gets another one, and files"
        " that it owned have to be given to it again:"
        f" find FOLDER -xdev -uid {uid} -exec chown -h cim {{}} +", KVM)
    applied = upgrade_settings(plan, ctx)
    assert kinds.verify(applied, ctx) == ()
    assert lines(root, "passwd")[-1].split(":")[3] == "77"
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []  # the group of the image stays


def test_a_user_changed_by_an_upgrade_keeps_its_id(root: Path) -> None:
    before = tree(root)
    ctx = context(root)
    old = apply_all(wanted_settings(ctx, User("u", "", "", "/bin/a", "", (), ""),
                                           User("v", "", "", "", "", (), "")), ctx)
    uid = lines(root, "passwd")[-2].split(":")[2]
    plan = plan_upgrade(old, wanted_settings(ctx, User("u", "", "", "/bin/b", "", (), ""),
                                                    User("v", "", "", "", "", (), "")), {}, ctx)
    applied = upgrade_settings(plan, ctx)
    assert f"u:x:{uid}:{uid}::/:/bin/b" in lines(root, "passwd")
    assert kinds.verify(applied, ctx) == ()
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_the_undo_data_keep_the_ids(root: Path) -> None:
    ctx = context(root)
    applied = apply_all(wanted_settings(ctx, Group("g", "")), ctx)
    loaded = load_undo_data(dump_undo_data(UndoData("foo", b"", AppliedState(applied))), origin="x")
    assert loaded.state.settings[0].outcome == applied[0].outcome != {}


def test_sysusers_is_started_with_the_root_and_one_file_for_each_account(root: Path) -> None:
    runner = RecordingRunner(real=run)
    ctx = context(root, runner=runner)
    apply_all(wanted_settings(ctx, CIM, SFCB), ctx)
    assert runner.argvs == [
        ("systemd-sysusers", f"--root={root}", "--", f"node-plugin-{name}.conf")
        for name in ("group-sfcb", "user-cim", "member-kvm@cim", "member-qemu@cim")]


def test_checking_many_accounts_starts_no_program(root: Path) -> None:
    runner = RecordingRunner(real=run)
    ctx = context(root, runner=runner)
    users = [User(f"u{number}", "", "", "", "", (), "") for number in range(50)]
    checking.check(wanted_settings(ctx, *users), ctx, others={})
    assert runner.argvs == []


def test_a_missing_sysusers_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    ctx = context(root)
    with pytest.raises(CommandError, match="systemd-sysusers cannot be started"):
        checking.check(wanted_settings(ctx, SFCB), ctx, others={})


@pytest.mark.parametrize("name", ["etc", "etc/sysusers.d", "etc/shadow", "etc/.pwd.lock"])
def test_a_symbolic_link_out_of_the_root_is_refused(root: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    ctx = context(root)
    if (root / name).exists():
        os.rename(root / name, outside)
    else:
        outside.mkdir()
    (root / name).symlink_to(outside)
    before = tree(outside) if outside.is_dir() else outside.read_bytes()
    with pytest.raises(Refused, match="symbolic link"):
        checking.check(wanted_settings(ctx, SFCB), ctx, others={})
    with pytest.raises(Refused, match="symbolic link"):
        apply_all(wanted_settings(ctx, SFCB), ctx)
    assert before == (tree(outside) if outside.is_dir() else outside.read_bytes())


@pytest.mark.parametrize(("element", "message"), [
    ('<user name="Cim"/>', "expected the name of a user or group"),
    ('<user name="cim" uid="0"/>', "expected the number of a user or group"),
    ('<user name="cim" uid="65535"/>', "expected a uid that an account may have, found 65535"),
    ('<group name="cim" gid="9999999999"/>', "expected a gid that an account may have"),
    ('<user name="cim" home="var"/>', "expected an absolute path"),
    ('<user name="cim" shell="/a/../b"/>', "as shell of <user>"),
    ('<user name="cim" shell="/a:b"/>', "expected an absolute path"),
    ('<user name="cim" home="/a:b"/>', "expected an absolute path"),
    ('<user name="cim" gecos="a:b"/>', "expected the words for a user"),
    ("<user name=\"cim\" gecos='a\"b'/>", "expected the words for a user"),
    ('<user name="cim" groups="kvm qemu"/>', "expected names of groups, a comma between two"),
    ('<user name="cim"/><user name="cim"/>', "expected one <user> named cim, found a second"),
    ('<group name="cim"/><group name="cim"/>', "expected one <group> named cim"),
])
def test_invalid_accounts_in_a_descriptor_are_refused(element: str, message: str) -> None:
    with pytest.raises(DescriptorError, match=message):
        parse_descriptor(edit_descriptor("<settings>", f"<settings>{element}").encode(), origin="x")


def test_accounts_are_read_from_a_descriptor() -> None:
    text = edit_descriptor(
        "<settings>", '<settings><user name="cim" uid="" home="/var/lib/cim"'
        ' shell="/sbin/nologin" group="sfcb" groups="kvm,qemu" gecos="CIM 100%"/>'
        '<group name="sfcb" gid=""/>')
    assert parse_descriptor(text.encode(), origin="x").settings[:2] == (CIM, SFCB)


