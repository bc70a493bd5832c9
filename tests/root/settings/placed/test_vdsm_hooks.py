"""VDSM hooks, copied from a plugin's files in a minimal root."""
from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ovirt_node_plugin.errors import Drifted, Refused
from ovirt_node_plugin.plugin.settings import VdsmHook
from ovirt_node_plugin.plugin.vdsm_points import HOOK_POINTS, STATUS_IGNORED
from ovirt_node_plugin.settings.engine import checking, kinds
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import do_revert, plan_revert
from ovirt_node_plugin.settings.engine.upgrade import plan_upgrade
from ovirt_node_plugin.settings.kit.model import Context, Wanted
from ovirt_node_plugin.settings.placed.vdsm_hooks import KIND
from ovirt_node_plugin.system.path_sets import VDSM_HOOKS
from ovirt_node_plugin.undo.changes import Applied
from tests.support.applied import apply_all
from tests.support.settings_root import (
    RecordingRunner,
    changed_paths,
    context,
    differences,
    finish,
    make_root,
    tree,
    upgrade_settings,
    write_file,
)

SOURCE = "/usr/share/acme/hook.py"
HOOK = f"{VDSM_HOOKS}/before_vm_start/05_storage"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


@pytest.fixture
def ctx(root: Path) -> Context:
    write_file(root, SOURCE.lstrip("/"), "#!/bin/sh\nexit 0\n")
    return context(root, files=[SOURCE])


def hook(ctx: Context, *, source: str = SOURCE, point: str = "before_vm_start") -> Wanted:
    return KIND.wanted(VdsmHook(point, 5, "storage", source), ctx)[0]


def test_a_hook_is_copied_as_an_executable_and_removed(root: Path, ctx: Context) -> None:
    before = tree(root)
    checking.check([hook(ctx)], ctx, others={})
    assert tree(root) == before
    applied = apply_all([hook(ctx)], ctx)
    info = (root / HOOK).lstat()
    assert (info.st_mode, info.st_uid, info.st_gid) == (0o100755, 0, 0)
    assert (root / HOOK).read_text() == "#!/bin/sh\nexit 0\n"
    assert changed_paths(applied) == [f"{VDSM_HOOKS}/before_vm_start", HOOK]
    assert kinds.verify(applied, ctx) == ()
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_no_program_is_started(root: Path, ctx: Context) -> None:
    runner = RecordingRunner()
    ctx = context(root, files=[SOURCE], runner=runner)
    checking.check([hook(ctx)], ctx, others={})
    apply_all([hook(ctx)], ctx)
    assert runner.argvs == []


def test_the_plan_names_point_order_and_source(ctx: Context) -> None:
    assert hook(ctx).text == (
        "install VDSM hook before_vm_start/05_storage from /usr/share/acme/hook.py")


def test_applying_twice_changes_nothing(root: Path, ctx: Context) -> None:
    apply_all([hook(ctx)], ctx)
    before = (tree(root), (root / HOOK).stat().st_ino)
    assert changed_paths(apply_all([hook(ctx)], ctx)) == []
    assert (tree(root), (root / HOOK).stat().st_ino) == before


def test_a_root_without_vdsm_is_refused(root: Path, ctx: Context) -> None:
    shutil.rmtree(root / VDSM_HOOKS)
    with pytest.raises(Refused, match="the root has no VDSM"):
        checking.check([hook(ctx)], ctx, others={})


def test_vdsm_may_be_part_of_the_plugin(root: Path) -> None:
    shutil.rmtree(root / VDSM_HOOKS)
    ctx = context(root, files=[SOURCE, f"/{VDSM_HOOKS}/before_vm_start/50_vhostmd"])
    checking.check([hook(ctx)], ctx, others={})


def test_a_source_that_no_package_contains_is_refused(ctx: Context) -> None:
    with pytest.raises(Refused, match="none of the plugin's packages brings that file"):
        checking.check([hook(ctx, source="/etc/shadow")], ctx, others={})


@pytest.mark.parametrize("mode", [0o120777, 0o40755])
def test_a_source_that_is_not_a_regular_file_is_refused(root: Path, mode: int) -> None:
    ctx = Context(root, "foo", {SOURCE: mode}, RecordingRunner())
    with pytest.raises(Refused, match="not a regular file"):
        checking.check([hook(ctx)], ctx, others={})


def test_a_source_replaced_by_a_symbolic_link_is_refused(root: Path, ctx: Context) -> None:
    (root / SOURCE.lstrip("/")).unlink()
    (root / SOURCE.lstrip("/")).symlink_to("/etc/passwd")
    with pytest.raises(Refused, match="not a regular file"):
        apply_all([hook(ctx)], ctx)
    assert not (root / HOOK).exists()


def test_an_existing_hook_is_refused(root: Path, ctx: Context) -> None:
    write_file(root, HOOK, "administrator's own\n")
    with pytest.raises(Refused, match="is there already"):
        checking.check([hook(ctx)], ctx, others={})


def test_a_hook_of_another_plugin_is_refused_and_the_plugin_named(ctx: Context) -> None:
    others = {"acme": [Applied("vdsm-hook", "before_vm_start/05_storage", "/x", "absent", ())]}
    with pytest.raises(Refused, match="plugin foo wants .* but plugin acme has"):
        checking.check([hook(ctx)], ctx, others=others)


def test_a_hook_that_a_package_of_the_plugin_contains_is_refused(root: Path) -> None:
    ctx = context(root, files=[SOURCE, f"/{HOOK}"])
    with pytest.raises(Refused, match="own packages"):
        checking.check([hook(ctx)], ctx, others={})


def test_a_modified_hook_is_drift_and_can_be_kept(root: Path, ctx: Context) -> None:
    applied = apply_all([hook(ctx)], ctx)
    (root / HOOK).write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(Drifted, match="05_storage"):
        plan_revert(applied, Ledger(), root)
    plan = plan_revert(applied, Ledger(), root, keep_modified=True)
    do_revert(plan, ctx)
    assert plan.notes == (f"/{HOOK} is left as it is: it was changed since",)
    assert finish(plan, Ledger(), ctx) == (
        f"/{VDSM_HOOKS}/before_vm_start is left: it is not empty",)
    assert (root / HOOK).read_text() == "#!/bin/sh\nexit 1\n"


def test_an_upgrade_updates_the_hook_and_its_removal_restores_the_root(
        root: Path, ctx: Context) -> None:
    before = tree(root)
    old = apply_all([hook(ctx)], ctx)
    (root / SOURCE.lstrip("/")).write_text("#!/bin/sh\n# 1.1\n")
    upgrade = plan_upgrade(old, [hook(ctx)], {}, ctx)
    assert (upgrade.fresh, upgrade.gone) == ((), ())
    new = upgrade_settings(upgrade, ctx)
    assert (root / HOOK).read_text() == "#!/bin/sh\n# 1.1\n"
    assert kinds.verify(new, ctx) == ()
    assert new[0].before == "absent"
    do_revert(plan_revert(new, Ledger(), root), ctx)
    (root / SOURCE.lstrip("/")).write_text("#!/bin/sh\nexit 0\n")
    assert differences(before, tree(root)) == []


def test_an_upgrade_keeps_a_modified_hook_with_a_note(root: Path, ctx: Context) -> None:
    old = apply_all([hook(ctx)], ctx)
    (root / HOOK).write_text("edited\n")
    upgrade = plan_upgrade(old, [hook(ctx)], {}, ctx)
    assert upgrade_settings(upgrade, ctx) == old
    assert upgrade.notes == (f"left as it was changed by hand: /{HOOK} was changed",)
    assert (root / HOOK).read_text() == "edited\n"


STARTS = (
    "#!/bin/sh", "#! \t/bin/sh\t-e", "#!/usr/bin/../bin/sh", "#!/usr/bin/env sh", "#!/usr/bin/env",
    "#!/usr/bin/env -S sh -e", "#!/usr/bin/env -S -i -u X A=b sh", "#!/bin/env A=b",
    "#!/usr/bin/ok", "#!/usr/bin/env -vS sh -e", "#!/usr/bin/env /bin/sh", "#!/bin/sh " + "x" * 300)
"""First lines with which the kernel can start a script in the root of ``startable_root``."""
FAILS = {
    "exit 0": "does not begin with #!",
    "": "does not begin with #!",
    " #!/bin/sh": "does not begin with #!",
    "\ufeff#!/bin/sh": "byte order mark",
    "#!": "names no interpreter",
    "#!  ": "names no interpreter",
    "#!/usr/bin/python2": "/usr/bin/python2 is not a program",
    "#!/usr/bin/python2 -u": "/usr/bin/python2 is not a program",
    "#!/usr/bin/env python2": "python2, which env looks for",
    "#!/usr/bin/env -S python2 -u": "python2, which env looks for",
    "#!/usr/bin/env sh -e": "need env -S",
    "#!/usr/bin/env /opt/none": "/opt/none, which env looks for",
    "#!/bin/sh\r": "CR LF",
    "#!/usr/bin/env sh\r": "CR LF",
    "#!sh": "not an absolute path",
    "#!/usr/bin": "/usr/bin is not a program",
    "#!/usr/bin/plain": "/usr/bin/plain is not a program",
    "#!/usr/bin/dangling": "/usr/bin/dangling is not a program",
    "#!/usr/bin/loop": "/usr/bin/loop is not a program",
    "#!/" + "x" * 300: "longer than 256 bytes",
}
"""First lines with which it cannot, and a part of the reason."""


@pytest.fixture
def startable_root(root: Path) -> Path:
    """A root with a shell and ``env``, and with names that are no programs."""
    for name in ("env", "ok"):
        (root / "usr/bin" / name).symlink_to("/usr/bin/sh")
    write_file(root, "usr/bin/plain", "#!/bin/sh\n")
    (root / "usr/bin/dangling").symlink_to("/nowhere")
    (root / "usr/bin/loop").symlink_to("loop")
    return root


@pytest.mark.parametrize("line", STARTS)
def test_a_hook_that_the_kernel_can_start_is_installed(startable_root: Path, line: str) -> None:
    write_file(startable_root, SOURCE, f"{line}\nexit 0\n")
    ctx = context(startable_root, files=[SOURCE])
    (applied,) = apply_all([hook(ctx)], ctx)
    assert kinds.remarks([applied], ctx) == ()


@pytest.mark.parametrize(("line", "reason"), FAILS.items())
def test_a_hook_that_cannot_be_started_is_refused_or_reported(
        startable_root: Path, line: str, reason: str) -> None:
    write_file(startable_root, SOURCE, f"{line}\n" if line else "")
    ctx = context(startable_root, files=[SOURCE])
    with pytest.raises(Refused, match="plugin foo .* every vm_start would fail") as refused:
        apply_all([hook(ctx)], ctx)
    assert reason in refused.value.message
    (applied,) = apply_all([hook(ctx, point="after_vm_start")], ctx)
    (remark,) = kinds.remarks([applied], ctx)
    assert remark.startswith("VDSM cannot start the hook after_vm_start/05_storage of plugin foo")
    assert reason in remark


def test_an_interpreter_of_the_plugins_own_packages_counts(root: Path) -> None:
    write_file(root, SOURCE, "#!/opt/acme/python2\n")
    ctx = context(root, files=[SOURCE, "/opt/acme/python2"])
    with pytest.raises(Refused, match="/opt/acme/python2 is not a program"):
        apply_all([hook(ctx)], ctx)
    (root / write_file(root, "opt/acme/python2", "x").lstrip("/")).chmod(0o755)
    apply_all([hook(ctx)], ctx)


def test_only_points_at_which_vdsm_ignores_a_failure_take_a_hook_that_cannot_be_started(
        root: Path) -> None:
    write_file(root, SOURCE, "#!/usr/bin/python2\n")
    ctx = context(root, files=[SOURCE])
    accepted = set()
    for point in HOOK_POINTS:
        try:
            apply_all([hook(ctx, point=point)], ctx)
        except Refused:
            continue
        accepted.add(point)
    assert accepted == STATUS_IGNORED and "after_get_caps" in accepted
    assert not accepted & {"before_vm_start", "before_vm_migrate_source", "after_disk_prepare"}
