"""Kernel modules and their index, with the real depmod in a root made by hand."""
from __future__ import annotations

from pathlib import Path
from typing import List, Sequence

import pytest

from ovirt_node_plugin.errors import Drifted, OutsideRoot, Refused
from ovirt_node_plugin.plugin.settings import KernelModule
from ovirt_node_plugin.settings.engine import checking, kinds
from ovirt_node_plugin.settings.engine.apply import apply_all
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import do_revert, finish_revert, plan_revert
from ovirt_node_plugin.settings.kit.model import Context, Wanted
from ovirt_node_plugin.settings.modules import module_index
from ovirt_node_plugin.settings.modules.kernel_modules import KIND
from ovirt_node_plugin.system.run import run
from tests.support.settings_root import (
    KERNEL,
    MODULES,
    RecordingRunner,
    changed_paths,
    context,
    differences,
    ledger_of,
    make_root,
    tree,
    write_module,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


def module(name: str, ctx: Context, *, load: bool = False, options: str = "",
           blacklist: bool = False) -> Sequence[Wanted]:
    return KIND.wanted(KernelModule(name, load=load, options=options, blacklist=blacklist), ctx)


def implied(ctx: Context) -> Sequence[Wanted]:
    return module_index.KIND.implied((), ctx)


def aliases(root: Path) -> List[str]:
    """Return the modules that modinfo finds by the index."""
    lines = (root / MODULES / "modules.alias").read_text().splitlines()
    return sorted(line.split()[2] for line in lines if line.startswith("alias test:"))


def test_load_options_and_blacklist_are_files_that_go_again(root: Path) -> None:
    ctx, before = context(root), tree(root)
    items = [*module("isv-foo", ctx, load=True, options="debug=1 mode=fast"),
             *module("other", ctx, blacklist=True)]
    checking.check(items, ctx, others={})
    assert tree(root) == before
    applied = apply_all(items, ctx)
    made = {path.name: path.read_text().splitlines()[-1] for path in sorted(root.glob(
        "etc/modprobe.d/node-plugin-*"))}
    assert made == {"node-plugin-foo-isv_foo.conf": "options isv_foo debug=1 mode=fast",
                    "node-plugin-foo-other.blacklist.conf": "blacklist other"}
    assert (root / "etc/modules-load.d/node-plugin-foo-isv_foo.conf").read_text().endswith(
        "\nisv_foo\n")
    assert [(one.key, one.before) for one in applied] == [
        ("isv_foo:load", "absent"), ("isv_foo:options", "absent"), ("other:blacklist", "absent")]
    assert "etc/modules-load.d" in changed_paths(applied)  # it was not there
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_modprobe_reads_what_is_written(root: Path) -> None:
    ctx = context(root)
    apply_all([*module("isv-foo", ctx, options="debug=1"),
                      *module("core", ctx, blacklist=True)], ctx)
    shown = run(["modprobe", "-C", root / "etc/modprobe.d", "--showconfig"])
    assert "options isv_foo debug=1" in shown
    assert "blacklist core" in shown


def test_applying_twice_changes_nothing(root: Path) -> None:
    ctx = context(root)
    items = module("isv_foo", ctx, load=True, options="a=1", blacklist=False)
    apply_all(items, ctx)
    file = root / "etc/modprobe.d/node-plugin-foo-isv_foo.conf"
    before = (tree(root), file.stat().st_mtime_ns)
    assert changed_paths(apply_all(items, ctx)) == []
    assert (tree(root), file.stat().st_mtime_ns) == before


def test_a_file_changed_by_hand_is_told_and_kept_from_being_lost(root: Path) -> None:
    ctx = context(root)
    applied = apply_all(module("isv_foo", ctx, options="a=1"), ctx)
    name = "etc/modprobe.d/node-plugin-foo-isv_foo.conf"
    (root / name).write_text("options isv_foo a=2\n")
    assert kinds.verify(applied, ctx) == (f"/{name} was changed",)
    with pytest.raises(Drifted) as caught:
        plan_revert(applied, Ledger(), root)
    assert caught.value.paths == (name,)
    (root / name).unlink()
    assert kinds.verify(applied, ctx) == (f"/{name} is missing",)


@pytest.mark.parametrize(("first", "second", "together"), [
    ({"load": True}, {"blacklist": True}, False),
    ({"blacklist": True}, {"load": True}, False),
    ({"options": "a=1"}, {"options": "a=2"}, False),
    ({"options": "a=1"}, {"options": "a=1"}, True),
    ({"load": True}, {"load": True, "options": "a=1"}, True),
])
def test_two_plugins_that_contradict_each_other_are_both_named(
        root: Path, first: dict[str, object], second: dict[str, object], together: bool) -> None:
    one, two = context(root, "one"), context(root, "two")
    others = {"one": checking.planned(_module("isv-foo", one, first))}
    items = _module("isv_foo", two, second)
    if together:
        checking.check(items, two, others=others)
        return
    with pytest.raises(Refused, match="plugin two wants to .*, but plugin one has"):
        checking.check(items, two, others=others)


def _module(name: str, ctx: Context, asked: dict[str, object]) -> Sequence[Wanted]:
    return module(name, ctx, load=bool(asked.get("load")), options=str(asked.get("options", "")),
                  blacklist=bool(asked.get("blacklist")))


def test_a_folder_that_is_a_link_stays_inside_the_root(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "etc/modules-load.d").symlink_to(outside)
    ctx, before = context(root), tree(root)
    applied = apply_all(module("isv_foo", ctx, load=True), ctx)
    assert list(outside.iterdir()) == []
    assert (root / str(outside).lstrip("/") / "node-plugin-foo-isv_foo.conf").is_file()
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []
    (root / "etc/modules-load.d").unlink()
    (root / "etc/modules-load.d").symlink_to("/")
    with pytest.raises(OutsideRoot, match="the root itself"):
        apply_all(module("isv_foo", ctx, load=True), ctx)


def test_modules_of_the_packages_imply_an_index(root: Path) -> None:
    ctx = context(root, files=[
        f"/lib/modules/{KERNEL}/extra/a.ko.xz", f"/usr/lib/modules/{KERNEL}/b.ko",
        "/lib/modules/4.18.0-1/c.ko.zst", "/lib/modules/../../etc/x.ko", "/lib/modules/foo/d.ko",
        f"/lib/modules/{KERNEL}/e.ko.txt"])
    assert [(item.key, item.text) for item in implied(ctx)] == [
        ("4.18.0-1", "rebuild the module index of kernel 4.18.0-1"),
        (KERNEL, f"rebuild the module index of kernel {KERNEL}")]


def test_the_index_knows_the_module_and_is_put_back(root: Path) -> None:
    before = tree(root)
    ctx = context(root, files=[write_module(root, "isv_foo")])
    checking.check(implied(ctx), ctx, others={})
    applied = apply_all(implied(ctx), ctx)
    assert aliases(root) == ["core", "isv_foo"]
    assert kinds.verify(applied, ctx) == ()
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    (root / MODULES / "kernel/isv_foo.ko").unlink()
    assert differences(before, tree(root)) == []


def test_a_kernel_without_an_index_gets_one_and_loses_it(root: Path) -> None:
    for path in (root / MODULES).glob("modules.*"):
        path.unlink()
    before = tree(root)
    ctx = context(root, files=[write_module(root, "isv_foo")])
    applied = apply_all(implied(ctx), ctx)
    assert applied[0].before == "absent"
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    (root / MODULES / "kernel/isv_foo.ko").unlink()
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize("first", ["one", "two"])
def test_the_index_of_two_plugins_follows_the_one_that_stays(root: Path, first: str) -> None:
    before = tree(root)
    held = {}
    for name in ("one", "two"):
        ctx = context(root, name, files=[write_module(root, f"m_{name}")])
        held[name] = apply_all(implied(ctx), ctx)
    for name in (first, "two" if first == "one" else "one"):
        gone = held.pop(name)
        ctx, ledger = context(root, name), ledger_of(held)
        plan = plan_revert(gone, ledger, root)
        do_revert(plan, ctx)
        (root / MODULES / f"kernel/m_{name}.ko").unlink()
        finish_revert(plan, ledger, ctx)
        held.update({other: state.settings for other, state in ledger.states.items()})
        if held:
            assert aliases(root) == sorted(["core", *(f"m_{other}" for other in held)])
            assert kinds.verify([one for its in held.values() for one in its], ctx) == ()
    assert differences(before, tree(root)) == []


def test_an_index_made_by_others_since_is_made_again_not_refused(root: Path) -> None:
    ctx = context(root, files=[write_module(root, "isv_foo")])
    applied = apply_all(implied(ctx), ctx)
    write_module(root, "later")
    run(["depmod", "-b", root, KERNEL])
    ledger = Ledger()
    plan = plan_revert(applied, ledger, root)
    do_revert(plan, ctx)
    (root / MODULES / "kernel/isv_foo.ko").unlink()
    assert finish_revert(plan, ledger, ctx) == ()
    assert ledger.states == {}
    assert aliases(root) == ["core", "later"]


def test_a_stale_index_is_told(root: Path) -> None:
    ctx = context(root, files=[write_module(root, "isv_foo")])
    applied = apply_all(implied(ctx), ctx)
    (root / MODULES / "kernel/isv_foo.ko").unlink()
    assert kinds.verify(applied, ctx) == (
        f"the module index of kernel {KERNEL} names kernel/isv_foo.ko, which is not there",)
    (root / MODULES / "modules.dep").unlink()
    assert kinds.verify(applied, ctx) == (f"the module index of kernel {KERNEL} is missing",)


def test_depmod_gets_the_root_and_the_roots_own_configuration(root: Path) -> None:
    (root / "usr/lib/depmod.d").mkdir()
    runner = RecordingRunner()
    ctx = context(root, files=[f"/lib/modules/{KERNEL}/extra/a.ko"], runner=runner)
    checking.check(implied(ctx), ctx, others={})
    apply_all(implied(ctx), ctx)
    assert runner.argvs == [
        ("depmod", "--version"),
        ("depmod", "-b", str(root), "-C", str(root / "etc/depmod.d"),
         "-C", str(root / "usr/lib/depmod.d"), KERNEL)]


def test_depmod_does_not_follow_an_absolute_lib_link(root: Path) -> None:
    (root / "lib").unlink()
    (root / "lib").symlink_to("/usr/lib")
    runner = RecordingRunner(real=run)
    ctx = context(root, files=[write_module(root, "isv_foo")], runner=runner)
    apply_all(implied(ctx), ctx)
    assert runner.argvs[0][:3] == ("depmod", "-b", str(root / "usr"))
    assert aliases(root) == ["core", "isv_foo"]


def test_a_module_folder_that_leads_out_of_the_root_is_refused(
        root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / MODULES).rename(root / "kept")
    (root / MODULES).symlink_to(outside)
    ctx = context(root, files=[f"/lib/modules/{KERNEL}/extra/a.ko"])
    for step in (lambda: checking.check(implied(ctx), ctx, others={}),
                 lambda: apply_all(implied(ctx), ctx)):
        with pytest.raises(Refused, match="outside the root"):
            step()
    assert list(outside.iterdir()) == []


def test_a_module_that_is_nowhere_is_told(root: Path) -> None:
    ctx = context(root, files=[f"/{MODULES}/extra/isv-new.ko.xz"])
    for name, known in (("core", True), ("isv_new", True), ("nosuchmod", False)):
        (wanted,) = module(name, ctx, load=True)
        assert (wanted.notes == ()) == known
    assert "have a module nosuchmod" in wanted.notes[0]
