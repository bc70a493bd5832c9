"""Settings of several plugins in one root: conflicts, drift, shared changes, upgrades."""
from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import pytest

from ovirt_node_plugin.errors import CommandError, Drifted, Refused, SeveralReasons
from ovirt_node_plugin.plugin.settings import (
    CaCertificate,
    ConfigFile,
    DracutModule,
    FirewallPort,
    FirewallService,
    Group,
    HostsEntry,
    InitramfsDriver,
    KernelArgument,
    KernelModule,
    LeaveOut,
    ModuleSigningKey,
    PersistentPath,
    PlacedFile,
    Service,
    Setting,
    Sysctl,
    User,
    VdsmHook,
)
from ovirt_node_plugin.settings.engine import checking, kinds, selection
from ovirt_node_plugin.settings.engine.kinds import Phase
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import (
    do_revert,
    finish_revert,
    plan_effects,
    plan_revert,
    rebuild_all,
)
from ovirt_node_plugin.settings.engine.upgrade import (
    apply_upgrade,
    make_accounts,
    plan_upgrade,
    plan_upgrades,
)
from ovirt_node_plugin.settings.kit.model import Context, Wanted
from ovirt_node_plugin.settings.services import scriptlet_units
from ovirt_node_plugin.system.path_sets import VDSM_HOOKS
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.undo.changes import (
    Applied,
    AppliedState,
    Change,
    Watch,
    capture,
    difference,
    put_back,
)
from tests.support.applied import apply_all
from tests.support.setting_elements import elements_of, schema_elements
from tests.support.settings_root import (
    KERNEL,
    MODULES,
    UNITS,
    RecordingRunner,
    changed_paths,
    context,
    descriptor,
    differences,
    finish,
    ledger_of,
    make_firewall,
    make_root,
    problem_texts,
    revert_settings,
    tree,
    upgrade_settings,
    write_file,
    write_module,
    write_unit,
)
from tests.support.trust_root import ACME, add_trust, der

WANTS = "etc/systemd/system/multi-user.target.wants"
SOCKETS = "etc/systemd/system/sockets.target.wants"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


def items(ctx: Context, *settings: Setting) -> Tuple[Wanted, ...]:
    return selection.wanted(descriptor(*settings), ctx)


def applied_by(root: Path, plugin: str, *settings: Setting) -> Tuple[Applied, ...]:
    ctx = context(root, plugin)
    return apply_all(items(ctx, *settings), ctx)


def test_settings_are_wanted_in_the_descriptors_order_with_one_line_each(root: Path) -> None:
    ctx = context(root, files=[f"/lib/modules/{KERNEL}/extra/isv_foo.ko"])
    wanted = items(ctx, VdsmHook("after_vm_start", 50, "x", "/opt/x"),
                   KernelModule("isv-foo", load=True, options="a=1", blacklist=False),
                   Service("foo.service", "masked"),
                   KernelModule("other", load=False, options="", blacklist=True))
    assert [item.text for item in wanted] == [
        "install VDSM hook after_vm_start/50_x from /opt/x",
        "load kernel module isv-foo at boot", "set options of kernel module isv-foo: a=1",
        "mask service foo.service", "blacklist kernel module other",
        f"rebuild the module index of kernel {KERNEL}"]


def test_applied_settings_are_in_the_ledger(root: Path) -> None:
    ledger = Ledger()
    ctx = context(root)
    wanted = items(ctx, Service("sshd.service", "masked"),
                   KernelModule("a", load=True, options="", blacklist=False))
    assert apply_all(wanted, ctx, ledger) == ledger.state("foo").settings
    assert [setting.key for setting in ledger.state("foo").settings] == ["sshd.service", "a:load"]


def test_the_ledger_has_the_settings_applied_before_a_failure(root: Path) -> None:
    ledger = Ledger()
    ctx = context(root)
    wanted = items(ctx, KernelModule("a", load=True, options="", blacklist=False),
                   Service("nope.service", "enabled"))
    with pytest.raises(CommandError, match="nope.service"):
        apply_all(wanted, ctx, ledger)
    assert [setting.key for setting in ledger.state("foo").settings] == ["a:load"]


def test_contradicting_service_settings_of_two_plugins_are_refused(root: Path) -> None:
    ctx = context(root, "two")
    others = {"one": checking.planned(items(context(root), Service("sshd.service", "disabled")))}
    checking.check(items(ctx, Service("sshd.service", "disabled")), ctx, others=others)
    with pytest.raises(Refused) as caught:
        checking.check(items(ctx, Service("sshd.service", "enabled")), ctx, others=others)
    assert str(caught.value) == (
        "plugin two wants to enable service sshd.service, but plugin one has service"
        " sshd.service (disabled)\nThe two do not go together. Remove plugin one first, or ask"
        " their vendors.")


def test_a_check_starts_only_programs_that_read(root: Path) -> None:
    runner = RecordingRunner(output="disabled")
    ctx = context(root, files=[f"/lib/modules/{KERNEL}/extra/isv_foo.ko"], runner=runner)
    checking.check(items(ctx, Service("sshd.service", "disabled")), ctx, others={})
    assert [argv[:3] for argv in runner.argvs] == [
        ("systemctl", f"--root={root}", "is-enabled"), ("depmod", "--version")]


def test_a_revert_of_changed_files_is_refused_and_changes_nothing(root: Path) -> None:
    applied = applied_by(root, "foo", Service("sshd.service", "masked"),
                         KernelModule("a", load=True, options="b=1", blacklist=False))
    (root / "etc/modprobe.d/node-plugin-foo-a.conf").write_text("changed\n")
    mask = root / "etc/systemd/system/sshd.service"
    mask.unlink()
    mask.symlink_to("/opt/sshd.service")
    before = tree(root)
    with pytest.raises(Drifted) as caught:
        plan_revert(applied, Ledger(), root)
    assert caught.value.paths == ("etc/modprobe.d/node-plugin-foo-a.conf",
                                  "etc/systemd/system/sshd.service")
    assert "/etc/modprobe.d/node-plugin-foo-a.conf" in caught.value.message
    assert differences(before, tree(root)) == []


def test_a_setting_undone_by_hand_is_not_drift(root: Path) -> None:
    before = tree(root)
    applied = applied_by(root, "foo", Service("sshd.service", "masked"))
    run(["systemctl", f"--root={root}", "unmask", "sshd.service"])
    plan = plan_revert(applied, Ledger(), root)
    do_revert(plan, context(root))
    assert differences(before, tree(root)) == []


def test_reverting_twice_changes_nothing(root: Path) -> None:
    before = tree(root)
    plan = plan_revert(applied_by(
        root, "foo", Service("sshd.service", "disabled")), Ledger(), root)
    do_revert(plan, context(root))
    do_revert(plan, context(root))
    assert differences(before, tree(root)) == []


def test_a_relabelled_file_is_not_drift(root: Path) -> None:
    applied = applied_by(root, "foo", KernelModule("a", load=True, options="", blacklist=False))
    change = applied[0].changes[-1]
    assert change.after is not None
    labelled = dataclasses.replace(
        change.after, xattrs=(("security.selinux", b"system_u:object_r:etc_t:s0\0"),))
    relabelled = dataclasses.replace(applied[0], changes=(
        *applied[0].changes[:-1], dataclasses.replace(change, after=labelled)))
    assert kinds.verify([relabelled], context(root)) == ()
    assert plan_revert([relabelled], Ledger(), root).notes == ()


def test_a_service_of_two_plugins_stays_until_the_last_is_removed(root: Path) -> None:
    write_unit(root, "a.service", also="a.socket")
    write_unit(root, "a.socket")
    before = tree(root)
    applied_by_plugin = {name: applied_by(root, name, Service("a.service", "enabled"))
                         for name in ("one", "two")}
    assert changed_paths(applied_by_plugin["two"]) == []
    plan = revert_settings(root, "one", applied_by_plugin)
    assert plan.restore == ()
    assert applied_by_plugin["two"][0].before == "disabled"
    assert kinds.verify(applied_by_plugin["two"], context(root)) == ()
    revert_settings(root, "two", applied_by_plugin)
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize("state", ["enabled", "disabled"])
def test_a_unit_changed_along_with_another_stays_for_its_own_plugin(root: Path, state: str) -> None:
    write_unit(root, "a.service", also="a.socket")
    write_unit(root, "a.socket")
    if state == "disabled":
        run(["systemctl", f"--root={root}", "enable", "a.service"])
    before = tree(root)
    applied_by_plugin = {"one": applied_by(root, "one", Service("a.service", state)),
                         "two": applied_by(root, "two", Service("a.socket", state))}
    revert_settings(root, "one", applied_by_plugin)
    assert kinds.verify(applied_by_plugin["two"], context(root)) == ()
    enabled_state = run(["systemctl", f"--root={root}", "is-enabled", "a.service"], ok=(0, 1))
    assert enabled_state.strip() == ("disabled" if state == "enabled" else "enabled")
    revert_settings(root, "two", applied_by_plugin)
    assert differences(before, tree(root)) == []


def test_a_created_folder_is_removed_with_the_last_plugin_that_uses_it(root: Path) -> None:
    before = tree(root)
    applied_by_plugin = {name: applied_by(root, name,
                                          KernelModule(f"m_{name}", load=True, options="",
                                                                   blacklist=False))
                         for name in ("one", "two")}
    revert_settings(root, "one", applied_by_plugin)
    assert changed_paths(applied_by_plugin["two"]) == [
        "etc/modules-load.d", "etc/modules-load.d/node-plugin-two-m_two.conf"]
    revert_settings(root, "two", applied_by_plugin)
    assert differences(before, tree(root)) == []


def test_a_created_folder_with_a_file_of_others_is_kept_with_a_note(root: Path) -> None:
    applied = applied_by(root, "one", KernelModule("m", load=True, options="", blacklist=False))
    (root / "etc/modules-load.d/mine.conf").write_text("loop\n")
    plan = plan_revert(applied, Ledger(), root)
    do_revert(plan, context(root))
    notes = finish(plan, Ledger(), context(root))
    assert notes == ("/etc/modules-load.d is left: it is not empty",)
    assert [path.name for path in (root / "etc/modules-load.d").iterdir()] == ["mine.conf"]


def test_a_created_folder_is_removed_after_the_package_files_in_it(root: Path) -> None:
    applied = applied_by(root, "one", KernelModule("m", load=True, options="", blacklist=False))
    owned = root / "etc/modules-load.d/of-the-package.conf"
    owned.write_text("")
    plan = plan_revert(applied, Ledger(), root)
    do_revert(plan, context(root))
    owned.unlink()
    assert finish(plan, Ledger(), context(root)) == ()
    assert not (root / "etc/modules-load.d").exists()


def append_as_scriptlet(root: Path, path: str, text: str) -> Change:
    """Append ``text`` to a file, as a scriptlet would, and return the change."""
    watch = [Watch(path.rpartition("/")[0], path.rpartition("/")[2])]
    before = capture(root, watch)
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    with open(root / path, "a", encoding="ascii") as stream:
        stream.write(text)
    changes = difference(before, capture(root, watch))
    return next(change for change in changes if change.path == path)


def ledger_with_effects(**effects: Sequence[Change]) -> Ledger:
    """Return a ledger with these effects of plugins, which have no settings."""
    return Ledger({name: AppliedState(effects=tuple(changes))
                   for name, changes in effects.items()})


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_scriptlet_effects_of_two_plugins_are_undone_in_any_order(
        root: Path, order: Tuple[str, str]) -> None:
    before = tree(root)
    ledger = ledger_with_effects(**{name: [append_as_scriptlet(root, "etc/passwd", f"{name}:x:1\n")]
                                    for name in ("one", "two")})
    for name in order:
        effects = ledger.state(name).effects
        ledger.set_effects(name, ())
        plan = plan_effects(effects, ledger, root)
        assert plan.notes == ()
        do_revert(plan, context(root))
    assert differences(before, tree(root)) == []


def test_scriptlet_effects_changed_later_are_kept_with_a_note(root: Path) -> None:
    effects = [append_as_scriptlet(root, "etc/passwd", "one:x:1\n"),
               append_as_scriptlet(root, "etc/new", "x"),
               append_as_scriptlet(root, "etc/gone", "x")]
    (root / "etc/passwd").write_text("root:x:0\nadmin:x:1000\n")
    (root / "etc/gone").unlink()
    plan = plan_effects(effects, Ledger(), root)
    do_revert(plan, context(root))
    assert plan.notes == ("/etc/passwd is left as it is: it was changed since",)
    assert not (root / "etc/new").exists()


def test_a_scriptlet_effect_without_recorded_content_is_kept_with_a_note(root: Path) -> None:
    effect = append_as_scriptlet(root, "etc/passwd", "one:x:1\n")
    assert effect.before is not None
    effect = dataclasses.replace(effect, before=effect.before.without_content())
    plan = plan_effects([effect], Ledger(), root)
    assert (plan.restore, plan.notes) == (
        (), ("/etc/passwd is left as it is: what it was before was not kept",))


def test_scriptlet_effects_pass_to_the_plugin_that_keeps_the_package(root: Path) -> None:
    before = tree(root)
    ledger = ledger_with_effects(two=())
    plan = plan_effects([append_as_scriptlet(root, "etc/passwd", "lib:x:1\n")], ledger, root,
                        keepers=["two"])
    assert plan.restore == ()
    do_revert(plan_effects(ledger.state("two").effects, Ledger(), root), context(root))
    assert differences(before, tree(root)) == []


def test_a_unit_link_made_by_a_scriptlet_stays_for_a_plugin_that_enables_the_service(
        root: Path) -> None:
    write_unit(root, "a.service")
    watch = [Watch("etc/systemd/system", "*", deep=True)]
    before = capture(root, watch)
    run(["systemctl", f"--root={root}", "preset", "a.service"])
    effects = difference(before, capture(root, watch))
    applied_by_plugin = {"two": applied_by(root, "two", Service("a.service", "enabled"))}
    ledger = ledger_of(applied_by_plugin)
    plan = plan_effects(effects, ledger, root)
    do_revert(plan, context(root))
    applied_by_plugin["two"] = ledger.state("two").settings
    assert kinds.verify(applied_by_plugin["two"], context(root)) == ()
    revert_settings(root, "two", applied_by_plugin)
    assert capture(root, watch) == before


def test_an_upgrade_keeps_equal_reverts_dropped_and_applies_new_settings(root: Path) -> None:
    for name in ("a.service", "b.service", "c.service"):
        write_unit(root, name)
    before = tree(root)
    ctx = context(root)
    old = apply_all(items(
        ctx, Service("a.service", "enabled"), Service("b.service", "enabled"),
        KernelModule("m", load=True, options="x=1", blacklist=False)), ctx)
    new = items(ctx, Service("c.service", "enabled"), Service("a.service", "enabled"),
                KernelModule("m", load=True, options="x=2", blacklist=False))
    plan = plan_upgrade(old, new, {}, ctx)
    assert [setting.key for setting in plan.kept] == ["a.service", "m:load"]
    assert [setting.key for setting in plan.gone] == ["b.service", "m:options"]
    assert [setting.key for setting in plan.fresh] == ["c.service", "m:options"]
    applied = upgrade_settings(plan, ctx)
    assert [(setting.key, setting.value) for setting in applied] == [
        ("c.service", "enabled"), ("a.service", "enabled"), ("m:load", "yes"),
        ("m:options", "x=2")]
    assert kinds.verify(applied, ctx) == ()
    assert not (root / WANTS / "b.service").is_symlink()
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_an_upgrade_passes_created_folders_to_the_remaining_settings(root: Path) -> None:
    write_unit(root, "a.socket")
    write_unit(root, "b.socket")
    before = tree(root)
    ctx = context(root)
    old = apply_all(items(
        ctx, Service("a.socket", "enabled"), Service("b.socket", "enabled")), ctx)
    plan = plan_upgrade(old, items(ctx, Service("b.socket", "enabled")), {}, ctx)
    effects = (append_as_scriptlet(root, "etc/passwd", "x\n"),)
    ledger = Ledger({"foo": AppliedState(plan.kept, effects)})
    do_revert(plan_revert(plan.gone, ledger, root), ctx)
    apply_upgrade(plan, ctx, ledger)
    applied = ledger.state("foo").settings
    assert [setting.kind for setting in applied] == ["service"]
    assert ledger.state("foo").effects == effects
    assert changed_paths(applied) == [SOCKETS, f"{SOCKETS}/b.socket"]
    ledger.set_settings("foo", ())
    do_revert(plan_revert(applied, ledger, root), ctx)
    do_revert(plan_effects(effects, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_an_upgrade_keeps_a_service_state_changed_by_hand(root: Path) -> None:
    ctx = context(root)
    old = apply_all(items(ctx, Service("sshd.service", "enabled")), ctx)
    run(["systemctl", f"--root={root}", "disable", "sshd.service"])
    plan = plan_upgrade(old, items(ctx, Service("sshd.service", "enabled")), {}, ctx)
    assert plan.notes == (
        "left as it was changed by hand: service sshd.service is disabled, not enabled",)
    assert upgrade_settings(plan, ctx) == old


def test_a_repair_reapplies_settings_that_a_replaced_image_lacks(root: Path) -> None:
    source = write_file(root, "usr/share/hook.py", "#!/bin/sh\n")
    module = write_module(root, "isv_foo")
    ctx = context(root, files=[source, module])
    wanted = items(ctx, Service("sshd.service", "masked"),
                   VdsmHook("before_vm_start", 1, "x", source))
    old = apply_all(wanted, ctx)
    put_back(root,
             [change for setting in old[1:] for change in setting.changes])  # /usr is new, /etc not
    before = tree(root)
    plan = plan_upgrade(old, wanted, {}, ctx, repair=True, replaced=True)
    applied = upgrade_settings(plan, ctx)
    assert [item.kind for item in plan.refreshed] == ["vdsm-hook", "module-index"]
    assert kinds.verify(applied, ctx) == ()
    assert applied[0] == old[0]
    do_revert(plan_revert(applied[1:], Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize("how", ["removed", "edited", "mode"])
def test_a_repair_is_undone_to_the_state_before_the_install_not_to_the_damage(
        how: str, root: Path) -> None:
    write_unit(root, "a.service")
    source = write_file(root, "usr/share/hook.py", "#!/bin/sh\nexit 0\n")
    write_file(root, "etc/sysctl.d/00-own.conf", "vm.swappiness = 30\n")
    before = tree(root)
    ctx = context(root, files=[source])
    wanted = items(ctx, Sysctl("vm.swappiness", "1"), VdsmHook("before_vm_start", 1, "x", source),
                   KernelModule("m", load=True, options="x=1", blacklist=False),
                   Service("a.service", "enabled"))
    old = apply_all(wanted, ctx)
    damaged = 0
    for path in changed_paths(old):
        file = root / path
        if file.is_symlink() or file.is_dir():
            continue
        damaged += 1
        if how == "removed":
            file.unlink()
        elif how == "edited":
            file.write_text("edited\n")
        else:
            file.chmod(0o600)
    (root / WANTS / "a.service").unlink()
    assert damaged >= 4 and kinds.verify(old, ctx) != ()
    plan = plan_upgrade(old, wanted, {}, ctx, repair=True)
    applied = upgrade_settings(plan, ctx)
    assert kinds.verify(applied, ctx) == ()
    assert [setting.before for setting in applied] == [setting.before for setting in old]
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_a_setting_that_changes_another_plugins_unit_is_refused(root: Path) -> None:
    write_unit(root, "a.service", also="a.socket")
    write_unit(root, "a.socket")
    run(["systemctl", f"--root={root}", "enable", "a.service"])
    applied_by_plugin = {"one": applied_by(root, "one", Service("a.socket", "enabled"))}
    ctx = context(root, "two")
    wanted = items(ctx, Service("a.service", "disabled"))
    checking.check(wanted, ctx, others=applied_by_plugin)
    with pytest.raises(Refused, match="switches a.socket along with it, which plugin one has"):
        apply_all(wanted, ctx, ledger_of(applied_by_plugin))


def test_a_setting_of_an_unknown_kind_is_reported_and_can_be_undone(root: Path) -> None:
    before = tree(root)
    unknown = Applied("time-machine", "1/tcp", "open", "closed",
                      (append_as_scriptlet(root, "etc/firewall", "1/tcp\n"),))
    assert problem_texts([unknown], context(root)) == (
        "the setting time-machine 1/tcp is of a kind that this version of the tool does not"
        " know",)
    do_revert(plan_revert([unknown], Ledger(), root), context(root))
    assert differences(before, tree(root)) == []


def scriptlet_unit(plugin: str) -> str:
    """Return the path of the unit that scriptlets of a random plugin put into place."""
    return f"{UNITS}/made-{plugin}.service"


def judged(ctx: Context, wanted: Sequence[Wanted], effects: Sequence[Change]) -> Context:
    """Return ``ctx`` with the expected units, as an installation judges them."""
    found = [scriptlet_units.find(item, ctx, {change.path for change in effects}, "")
             for item in scriptlet_units.expected(wanted)]
    return dataclasses.replace(ctx, files={
        **ctx.files, **{f"/{path}": mode for path, mode in found}})


class RandomPlugins:
    """Random plugins that are installed, upgraded and removed as operations do it."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.random = random.Random(seed)
        self.ledger = Ledger()
        self.files: Dict[str, List[str]] = {}

    def install(self, name: str) -> None:
        start = tree(self.root)
        files = self._write_package_files(name)
        effects = self._run_scriptlets(name)
        ctx = dataclasses.replace(context(self.root, name, files=files),
                                  held={scriptlet_unit(name): name})
        wanted = items(ctx, *self._random_settings(name, files))
        before = tree(self.root)
        try:
            checking.check(wanted, ctx, others=self._applied_settings())
            assert differences(before, tree(self.root)) == []
            trial, ctx = Ledger(self.ledger.states), judged(ctx, wanted, effects)
            applied = apply_all(wanted, ctx, trial)
        except (Refused, SeveralReasons):  # conflicts; operations roll back by the journal
            put_back(self.root, difference(start, tree(self.root)))
            return
        assert applied == trial.state(name).settings
        after_first = tree(self.root)
        apply_all(wanted, ctx)
        assert differences(after_first, tree(self.root)) == []
        self.files[name] = files
        self.ledger = trial
        self.ledger.set_effects(name, effects)

    def upgrade(self, names: Sequence[str]) -> None:
        """Upgrade plugins to new random settings in one run; their files stay."""
        start = tree(self.root)
        ledger = Ledger(self.ledger.states)
        contexts = [context(self.root, name, files=self.files[name]) for name in names]
        wanted = {ctx.plugin: items(ctx, *self._random_settings(ctx.plugin, self.files[ctx.plugin]))
                  for ctx in contexts}
        held = checking.held(ledger, wanted)
        contexts = [dataclasses.replace(ctx,
                                        held=held) for ctx in contexts]
        try:
            upgrades, revert = plan_upgrades(wanted, contexts, ledger, self.root)
            assert differences(start, tree(self.root)) == []
            do_revert(revert, contexts[0])
            finish_revert(revert, ledger, contexts[0])
            make_accounts([(upgrades[ctx.plugin], ctx) for ctx in contexts], ledger)
            contexts = [judged(ctx, wanted[ctx.plugin], ledger.state(ctx.plugin).effects)
                        for ctx in contexts]
            for ctx in contexts:
                apply_upgrade(upgrades[ctx.plugin], ctx, ledger, phase=Phase.SETTINGS)
            rebuild_all(revert, ledger, contexts[0])
            for ctx in contexts:
                apply_upgrade(upgrades[ctx.plugin], ctx, ledger, phase=Phase.DERIVED)
        except (Refused, SeveralReasons):
            put_back(self.root, difference(start, tree(self.root)))
            return
        self.ledger = ledger

    def remove(self, name: str) -> None:
        ctx = context(self.root, name)
        applied = self.ledger.state(name).settings
        self.ledger.set_settings(name, ())
        plan = plan_revert(applied, self.ledger, self.root)
        do_revert(plan, ctx)
        for path in self.files.pop(name):
            (self.root / path.lstrip("/")).unlink()
        effects = self.ledger.state(name).effects
        self.ledger.set_effects(name, ())
        effects_plan = plan_effects(effects, self.ledger, self.root)
        do_revert(effects_plan, ctx)
        assert (plan.notes, effects_plan.notes) == ((), ())
        assert finish(plan, self.ledger, ctx) == ()
        self.ledger = Ledger({other: state for other, state in self.ledger.states.items()
                              if other != name})

    def verify(self) -> None:
        for name, state in self.ledger.states.items():
            assert kinds.verify(state.settings, context(self.root, name)) == ()

    def _applied_settings(self) -> Dict[str, Tuple[Applied, ...]]:
        return {name: state.settings for name, state in self.ledger.states.items()}

    def _write_package_files(self, name: str) -> List[str]:
        files = [write_unit(self.root, f"{name}.service", also=self.random.choice(
                    ["", f"{name}.socket", "shared.socket"])),
                 write_unit(self.root, f"{name}.socket"),
                 write_file(self.root, f"usr/share/{name}.py", f"# {name}\n"),
                 write_file(self.root, f"usr/share/{name}.pem", ACME),
                 write_file(self.root, f"usr/share/{name}.der", "")]
        (self.root / files[-1].lstrip("/")).write_bytes(der(ACME))
        if self.random.random() < 0.4:
            files.append(write_module(self.root, f"m_{name}"))
        return files

    def _run_scriptlets(self, name: str) -> List[Change]:
        watch = [Watch(UNITS, "*")]
        before = capture(self.root, watch)
        write_unit(self.root, scriptlet_unit(name).rpartition("/")[2])
        changes: List[Change] = list(difference(before, capture(self.root, watch)))
        for path in ("etc/passwd", "etc/group", f"etc/{name}.d/conf", "etc/common.d/conf"):
            if self.random.random() < 0.3:
                watch = [Watch(path.rpartition("/")[0], "*")]
                before = capture(self.root, watch)
                append_as_scriptlet(self.root, path,
                                    {"passwd": f"{name}:x:{ord(name[-1])}:0::/:/bin/sh\n",
                                                      "group": f"{name}:x:{ord(name[-1])}:\n"}.get(
                                           path.rpartition("/")[2], f"{name}\n"))
                changes.extend(difference(before, capture(self.root, watch)))
        if self.random.random() < 0.3:
            watch = [Watch("etc/systemd/system", "*", deep=True)]
            before = capture(self.root, watch)
            run(["systemctl", f"--root={self.root}", "enable", f"{name}.service"])
            changes.extend(difference(before, capture(self.root, watch)))
        return changes

    def _random_settings(self, name: str, files: Sequence[str]) -> List[Setting]:
        possible = self.possible_settings(name, files)
        return self.random.sample(possible, self.random.randrange(1, 8))

    def possible_settings(self, name: str, files: Sequence[str]) -> List[Setting]:
        """Return settings of every kind, some of them with random values."""
        module = self.random.choice(["isv_a", "isv_b"])
        return [
            Service(f"{name}.service", self.random.choice(["enabled", "disabled", "masked"])),
            Service("shared.service", "enabled"), Service("shared.socket", "enabled"),
            Service("sshd.service", "disabled"), Service(f"{name}.socket", "enabled"),
            Service(f"made-{name}.service", "enabled", from_scriptlet=True),
            KernelModule(module, load=True, options="x=1", blacklist=False),
            KernelModule("isv_c", load=False, options="", blacklist=True),
            VdsmHook("before_vm_start", self.random.randrange(100), name, files[2]),
            VdsmHook("after_vm_destroy", 50, name, files[2]),
            PlacedFile("udev-rules", files[2], f"{self.random.choice([name, 'shared'])}.rules"),
            PlacedFile("tmpfiles", files[2], f"{name}.conf"),
            PlacedFile("multipath-config", files[2], f"{name}.conf"),
            PlacedFile("logrotate", files[2], self.random.choice([name, "shared"])),
            PlacedFile("unit-drop-in", files[2], f"{name}.conf", "sshd.service"),
            ConfigFile("journald", f"{self.random.choice([name, 'shared'])}.conf", files[2]),
            CaCertificate(files[3], f"{name}.pem"), DracutModule("isv"),
            ModuleSigningKey(files[4], f"{self.random.choice([name, 'shared'])}.der"),
            HostsEntry(self.random.choice(["192.0.2.1", "192.0.2.2"]), ("shared.example",)),
            HostsEntry("192.0.2.9", (f"{name}.example", name)),
            KernelArgument("intel_iommu", "on", present=True, repeat=False),
            KernelArgument("quiet", "", present=False, repeat=False),
            KernelArgument("console", self.random.choice(["ttyS1", "ttyS2"]), present=True,
                           repeat=True),
            KernelArgument(name, "", present=True, repeat=False),
            PersistentPath("/usr/share"),
            InitramfsDriver("core", load=self.random.random() < 0.5), LeaveOut("/usr/share/**"),
            Sysctl("kernel.panic", self.random.choice(["10", "20"])),
            Group("common", self.random.choice(["", "470"])),
            User(f"u-{name}", "", "/opt", "", "", ("kvm",), ""),
            User("shared", "", "", "", "", ("kvm",)[:self.random.randrange(2)], ""),
            FirewallPort(self.random.choice(["5989", "5900-6000", "5950-6050"]), "tcp", ""),
            FirewallService("cim", self.random.choice(["", "internal"]),
                            (("5989", "tcp"),)[:self.random.randrange(2)])]


def test_random_plugins_have_settings_of_every_kind(root: Path) -> None:
    """Those of SELinux, which need a policy, have a random test of their own."""
    possible = RandomPlugins(root, 0).possible_settings("p", ["/a", "/b", "/c", "/d", "/e"])
    assert elements_of(possible) == {
        name for name in schema_elements() if not name.startswith("selinux-")}


@pytest.mark.parametrize("seed", range(12))
def test_random_installs_upgrades_and_removals_leave_the_tree_unchanged(
        root: Path, seed: int) -> None:
    write_unit(root, "shared.service", also="shared.socket")
    write_unit(root, "shared.socket")
    write_file(root, "etc/kernel/cmdline", "root=/dev/sda1 quiet console=tty0\n")
    write_file(root, "etc/hosts", "127.0.0.1 localhost")
    write_file(root, "boot/loader/entries/a.conf", "title a\noptions intel_iommu=off  quiet\n")
    make_firewall(root)
    write_file(root, "usr/bin/dracut", "#!/bin/sh\n")
    write_file(root, "usr/lib/systemd/systemd-journald", "")
    write_file(root, "usr/lib/dracut/modules.d/90isv/module-setup.sh", "#!/bin/sh\n")
    script = add_trust(root) / "usr/bin/update-ca-trust"
    # the format of Java contains the time
    script.write_text(script.read_text().replace(" java-cacerts:java/cacerts", ""))
    write_file(root, "etc/group", "root:x:0:\nkvm:x:36:\n")
    before = tree(root)
    plugins = RandomPlugins(root, seed)
    names = [f"p{number}" for number in range(5)]
    for _ in range(12):
        absent = [name for name in names if name not in plugins.files]
        if absent and (not plugins.files or plugins.random.random() < 0.6):
            plugins.install(plugins.random.choice(absent))
        elif plugins.random.random() < 0.5:
            plugins.upgrade(plugins.random.sample(
                sorted(plugins.files), plugins.random.randint(1, len(plugins.files))))
        else:
            plugins.remove(plugins.random.choice(sorted(plugins.files)))
        plugins.verify()
    for name in plugins.random.sample(sorted(plugins.files), len(plugins.files)):
        plugins.remove(name)
        plugins.verify()
    assert differences(before, tree(root)) == []
    assert (root / UNITS).is_dir() and (root / VDSM_HOOKS).is_dir() and (root / MODULES).is_dir()
