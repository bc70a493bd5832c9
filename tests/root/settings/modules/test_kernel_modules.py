"""Kernel modules and their index, with the real depmod in a minimal root."""
from __future__ import annotations

from pathlib import Path
from typing import List, Sequence

import pytest

from ovirt_node_plugin.errors import Drifted, OutsideRoot, Refused
from ovirt_node_plugin.plugin.settings import KernelModule
from ovirt_node_plugin.settings.engine import checking, kinds
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import do_revert, plan_revert
from ovirt_node_plugin.settings.kit.model import Context, Wanted
from ovirt_node_plugin.settings.modules import module_index
from ovirt_node_plugin.settings.modules.kernel_modules import KIND
from ovirt_node_plugin.system.run import run
from tests.support.applied import apply_all
from tests.support.settings_root import (
    KERNEL,
    MODULES,
    RecordingRunner,
    changed_paths,
    context,
    differences,
    finish,
    ledger_of,
    make_root,
    problem_texts,
    tree,
    write_module,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


def module(name: str, ctx: Context, *, load: bool = False, options: str = "",
           blacklist: bool = False) -> Sequence[Wanted]:
    return KIND.wanted(KernelModule(name, load=load, options=options, blacklist=blacklist), ctx)


def implied_index(ctx: Context) -> Sequence[Wanted]:
    return module_index.KIND.implied((), ctx)


def indexed_modules(root: Path) -> List[str]:
    """Return the modules with an alias in the index, sorted."""
    lines = (root / MODULES / "modules.alias").read_text().splitlines()
    return sorted(line.split()[2] for line in lines if line.startswith("alias test:"))


def test_load_options_and_blacklist_are_written_to_files_and_removed(root: Path) -> None:
    ctx, before = context(root), tree(root)
    items = [*module("isv-foo", ctx, load=True, options="debug=1 mode=fast"),
             *module("other", ctx, blacklist=True)]
    checking.check(items, ctx, others={})
    assert tree(root) == before
    applied = apply_all(items, ctx)
    last_lines = {path.name: path.read_text().splitlines()[-1] for path in sorted(root.glob(
        "etc/modprobe.d/node-plugin-*"))}
    assert last_lines == {"node-plugin-foo-isv_foo.conf": "options isv_foo debug=1 mode=fast",
                          "node-plugin-foo-other.blacklist.conf": "blacklist other"}
    assert (root / "etc/modules-load.d/node-plugin-foo-isv_foo.conf").read_text().endswith(
        "\nisv_foo\n")
    assert [(setting.key, setting.before) for setting in applied] == [
        ("isv_foo:load", "absent"), ("isv_foo:options", "absent"), ("other:blacklist", "absent")]
    assert "etc/modules-load.d" in changed_paths(applied)  # the folder did not exist
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_modprobe_reads_the_written_options_and_blacklist(root: Path) -> None:
    ctx = context(root)
    apply_all([*module("isv-foo", ctx, options="debug=1"),
                      *module("core", ctx, blacklist=True)], ctx)
    output = run(["modprobe", "-C", root / "etc/modprobe.d", "--showconfig"])
    assert "options isv_foo debug=1" in output
    assert "blacklist core" in output


def test_applying_twice_changes_nothing(root: Path) -> None:
    ctx = context(root)
    items = module("isv_foo", ctx, load=True, options="a=1", blacklist=False)
    apply_all(items, ctx)
    file = root / "etc/modprobe.d/node-plugin-foo-isv_foo.conf"
    before = (tree(root), file.stat().st_mtime_ns)
    assert changed_paths(apply_all(items, ctx)) == []
    assert (tree(root), file.stat().st_mtime_ns) == before


def test_a_file_changed_by_hand_is_reported_and_is_drift(root: Path) -> None:
    ctx = context(root)
    applied = apply_all(module("isv_foo", ctx, options="a=1"), ctx)
    name = "etc/modprobe.d/node-plugin-foo-isv_foo.conf"
    (root / name).write_text("options isv_foo a=2\n")
    assert problem_texts(applied, ctx) == (f"/{name} was changed",)
    with pytest.raises(Drifted) as caught:
        plan_revert(applied, Ledger(), root)
    assert caught.value.paths == (name,)
    (root / name).unlink()
    assert problem_texts(applied, ctx) == (f"/{name} is missing",)


@pytest.mark.parametrize(("first", "second", "compatible"), [
    ({"load": True}, {"blacklist": True}, False),
    ({"blacklist": True}, {"load": True}, False),
    ({"options": "a=1"}, {"options": "a=2"}, False),
    ({"options": "a=1"}, {"options": "a=1"}, True),
    ({"load": True}, {"load": True, "options": "a=1"}, True),
])
def test_contradicting_module_settings_of_two_plugins_are_refused_and_both_named(
        root: Path, first: dict[str, object], second: dict[str, object], compatible: bool) -> None:
    context_one, context_two = context(root, "one"), context(root, "two")
    others = {"one": checking.planned(_module("isv-foo", context_one, first))}
    items = _module("isv_foo", context_two, second)
    if compatible:
        checking.check(items, context_two, others=others)
        return
    with pytest.raises(Refused, match="plugin two wants to .*, but plugin one has"):
        checking.check(items, context_two, others=others)


def _module(name: str, ctx: Context, values: dict[str, object]) -> Sequence[Wanted]:
    return module(name, ctx, load=bool(values.get("load")), options=str(values.get("options", "")),
                  blacklist=bool(values.get("blacklist")))


def test_a_symbolic_link_in_place_of_a_folder_is_resolved_inside_the_root(
        root: Path, tmp_path: Path) -> None:
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


def test_kernel_modules_of_packages_imply_a_module_index(root: Path) -> None:
    ctx = context(root, files=[
        f"/lib/modules/{KERNEL}/extra/a.ko.xz", f"/usr/lib/modules/{KERNEL}/b.ko",
        "/lib/modules/4.18.0-1/c.ko.zst", "/lib/modules/../../etc/x.ko", "/lib/modules/foo/d.ko",
        f"/lib/modules/{KERNEL}/e.ko.txt"])
    assert [(item.key, item.text) for item in implied_index(ctx)] == [
        ("4.18.0-1", "rebuild the module index of kernel 4.18.0-1"),
        (KERNEL, f"rebuild the module index of kernel {KERNEL}")]


def test_the_module_index_is_rebuilt_and_restored(root: Path) -> None:
    before = tree(root)
    ctx = context(root, files=[write_module(root, "isv_foo")])
    checking.check(implied_index(ctx), ctx, others={})
    applied = apply_all(implied_index(ctx), ctx)
    assert indexed_modules(root) == ["core", "isv_foo"]
    assert kinds.verify(applied, ctx) == ()
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    (root / MODULES / "kernel/isv_foo.ko").unlink()
    assert differences(before, tree(root)) == []


def test_a_missing_module_index_is_created_and_removed(root: Path) -> None:
    for path in (root / MODULES).glob("modules.*"):
        path.unlink()
    before = tree(root)
    ctx = context(root, files=[write_module(root, "isv_foo")])
    applied = apply_all(implied_index(ctx), ctx)
    assert applied[0].before == "absent"
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    (root / MODULES / "kernel/isv_foo.ko").unlink()
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize("first", ["one", "two"])
def test_the_module_index_contains_the_modules_of_remaining_plugins(root: Path, first: str) -> None:
    before = tree(root)
    applied_by_plugin = {}
    for name in ("one", "two"):
        ctx = context(root, name, files=[write_module(root, f"m_{name}")])
        applied_by_plugin[name] = apply_all(implied_index(ctx), ctx)
    for name in (first, "two" if first == "one" else "one"):
        applied = applied_by_plugin.pop(name)
        ctx, ledger = context(root, name), ledger_of(applied_by_plugin)
        plan = plan_revert(applied, ledger, root)
        do_revert(plan, ctx)
        (root / MODULES / f"kernel/m_{name}.ko").unlink()
        finish(plan, ledger, ctx)
        applied_by_plugin.update({other: state.settings for other, state in ledger.states.items()})
        if applied_by_plugin:
            assert indexed_modules(root) == sorted(["core",
                                                    *(f"m_{other}" for other in applied_by_plugin)])
            assert kinds.verify([setting for settings in applied_by_plugin.values()
                                 for setting in settings], ctx) == ()
    assert differences(before, tree(root)) == []


def test_a_module_index_rebuilt_by_others_is_rebuilt_at_removal(root: Path) -> None:
    ctx = context(root, files=[write_module(root, "isv_foo")])
    applied = apply_all(implied_index(ctx), ctx)
    write_module(root, "later")
    run(["depmod", "-b", root, KERNEL])
    ledger = Ledger()
    plan = plan_revert(applied, ledger, root)
    do_revert(plan, ctx)
    (root / MODULES / "kernel/isv_foo.ko").unlink()
    assert finish(plan, ledger, ctx) == ()
    assert ledger.states == {}
    assert indexed_modules(root) == ["core", "later"]


def test_verify_reports_a_stale_module_index(root: Path) -> None:
    ctx = context(root, files=[write_module(root, "isv_foo")])
    applied = apply_all(implied_index(ctx), ctx)
    (root / MODULES / "kernel/isv_foo.ko").unlink()
    assert problem_texts(applied, ctx) == (
        f"the module index of kernel {KERNEL} names kernel/isv_foo.ko, which is not there",)
    (root / MODULES / "modules.dep").unlink()
    assert problem_texts(applied, ctx) == (f"the module index of kernel {KERNEL} is missing",)


def test_depmod_is_started_with_the_root_and_its_configuration(root: Path) -> None:
    (root / "usr/lib/depmod.d").mkdir()
    runner = RecordingRunner()
    ctx = context(root, files=[f"/lib/modules/{KERNEL}/extra/a.ko"], runner=runner)
    checking.check(implied_index(ctx), ctx, others={})
    apply_all(implied_index(ctx), ctx)
    assert runner.argvs == [
        ("depmod", "--version"),
        ("depmod", "-b", str(root), "-C", str(root / "etc/depmod.d"),
         "-C", str(root / "usr/lib/depmod.d"), KERNEL)]


def test_depmod_does_not_follow_an_absolute_lib_link(root: Path) -> None:
    (root / "lib").unlink()
    (root / "lib").symlink_to("/usr/lib")
    runner = RecordingRunner(real=run)
    ctx = context(root, files=[write_module(root, "isv_foo")], runner=runner)
    apply_all(implied_index(ctx), ctx)
    assert runner.argvs[0][:3] == ("depmod", "-b", str(root / "usr"))
    assert indexed_modules(root) == ["core", "isv_foo"]


def test_modules_in_folders_of_vendors_are_indexed_and_links_in_them_stay_in_the_root(
        root: Path, tmp_path: Path) -> None:
    outside, other = tmp_path / "outside", root / "usr/lib/modules/4.18.0-1/extra"
    for folder in (outside, root / "opt/vx", other):
        folder.mkdir(parents=True)
    places = {"isv_one": "opt/vx/one.ko.5", "isv_two": "opt/vx/two.ko", "isv_far": "far.ko",
              "isv_other": f"{other.relative_to(root)}/other.ko"}
    for name, place in places.items():
        (root / write_module(root, name).lstrip("/")).rename(root / place)
    (root / "far.ko").rename(outside / "far.ko")
    vendor = root / MODULES / "veritas"
    files = [write_module(root, "isv_foo", folder="veritas")]
    up = "../" * 40
    for link, target in {"one.ko": "/opt/vx/one.ko.5", "two.ko": f"{up}opt/vx/two.ko",
                         "far.ko": f"{outside}/far.ko", "far2.ko": f"{up}{outside}/far.ko",
                         "out": f"{outside}", "other": "/lib/modules/4.18.0-1/extra", "again": ".",
                         "loop.ko": "loop.ko", "top": "/"}.items():
        (vendor / link).symlink_to(target)
    (root / MODULES / "odd.ko").symlink_to("/opt/vx/two.ko")
    (root / MODULES / "kernel/deep.ko").symlink_to(f"{outside}/far.ko")
    ctx = context(root, files=files)
    applied = apply_all(implied_index(ctx), ctx)
    assert indexed_modules(root) == ["core", "isv_foo", "odd", "one", "other", "two"]
    assert kinds.verify(applied, ctx) == ()


def test_a_module_folder_that_leads_out_of_the_root_is_refused(
        root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / MODULES).rename(root / "kept")
    (root / MODULES).symlink_to(outside)
    ctx = context(root, files=[f"/lib/modules/{KERNEL}/extra/a.ko"])
    for step in (lambda: checking.check(implied_index(ctx), ctx, others={}),
                 lambda: apply_all(implied_index(ctx), ctx)):
        with pytest.raises(Refused, match="outside the root"):
            step()
    assert list(outside.iterdir()) == []


def test_the_plan_notes_an_unknown_kernel_module(root: Path) -> None:
    ctx = context(root, files=[f"/{MODULES}/extra/isv-new.ko.xz"])
    for name, known in (("core", True), ("isv_new", True), ("nosuchmod", False)):
        (wanted,) = module(name, ctx, load=True)
        assert (wanted.notes == ()) == known
    assert "have a module nosuchmod" in wanted.notes[0]
