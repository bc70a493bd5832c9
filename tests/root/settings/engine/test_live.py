"""Settings on a running system: the exact commands, their order, and how they are undone.

The system is a folder and every program is a fake one. test_live_host.py has the results on
a real running system, except the loading of a kernel module.
"""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Container, Dict, List, Sequence, Tuple

import pytest

from ovirt_node_plugin.errors import CommandError, RecordError, Refused
from ovirt_node_plugin.plugin.settings import KernelArgument, KernelModule
from ovirt_node_plugin.registry.outcomes import to_text
from ovirt_node_plugin.settings.boot import command_line
from ovirt_node_plugin.settings.engine import kinds, live, rereading
from ovirt_node_plugin.settings.engine.kinds import KINDS
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import do_revert, plan_revert
from ovirt_node_plugin.settings.kit.model import Context, Live
from ovirt_node_plugin.settings.services import running_units
from ovirt_node_plugin.system.entries import Entry
from ovirt_node_plugin.system.path_sets import JOURNAL
from ovirt_node_plugin.system.run import Polled, StrPath
from ovirt_node_plugin.undo import live_log
from ovirt_node_plugin.undo.changes import Applied, Change
from tests.support.applied import apply_all
from tests.support.settings_root import context, finish, ledger_of, problem_texts, write_file

SERVICE = Applied("service", "foo.service", "enabled", "disabled", ())
OTHER = Applied("service", "bar.service", "disabled", "enabled", ())
MODULE = Applied("kernel-module", "isv_foo:load", "yes", "absent", ())
SYSCTL = Applied("sysctl", "kernel.panic", "5", "unset", ())
TMPFILES = Applied("tmpfiles", "foo.conf", "/usr/share/foo.conf", "absent", ())


@dataclass
class FakeSystem:
    """A runner in place of a small running system; it records commands that change it."""

    root: Path
    active: List[str] = field(default_factory=list)
    values: Dict[str, str] = field(default_factory=dict)
    fails: Dict[str, str] = field(default_factory=dict)
    done: List[str] = field(default_factory=list)

    def __call__(self, argv: Sequence[StrPath], *, ok: Container[int] = (0,), stdin: bytes = b"",
                 polled: Polled = None) -> str:
        words = list(map(str, argv))
        line, last = " ".join(words), words[-1]
        if words[:2] == ["systemctl", "is-active"]:
            return "active\n" if last in self.active else "inactive\n"
        if words[:2] == ["systemctl", "show"]:
            return "\n\n".join("ActiveState=active\nSubState=running\nResult=success"
                               for _ in words[words.index("--") + 1:])
        if words[:2] == ["sysctl", "--values"]:
            return self.values[last] + "\n" if last in self.values else ""
        self.done.append(line)
        for start, message in self.fails.items():
            if line.startswith(start):
                raise CommandError(message, argv=words, returncode=1, output=message)
        self._change(words, last)
        return ""

    def _change(self, words: Sequence[str], last: str) -> None:
        if words[:2] == ["systemctl", "start"]:
            self.active.append(last)
        elif words[:2] == ["systemctl", "stop"]:
            self.active.remove(last)
        elif words[0] == "sysctl":
            key, _, value = last.partition("=")
            self.values[key] = value
        elif words[0] == "modprobe" and "--remove" in words:
            (self.root / "sys/module" / last).rmdir()
        elif words[0] == "modprobe":
            (self.root / "sys/module" / last).mkdir(parents=True)


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    """A root with a journal folder, in which the live log is written."""
    (tmp_path / JOURNAL).mkdir(parents=True)
    (tmp_path / "sys/module").mkdir(parents=True)
    return FakeSystem(tmp_path, values={"kernel.panic": "0"})


def running_context(system: FakeSystem, *, is_live: bool = True) -> Context:
    return dataclasses.replace(context(system.root, runner=system), live=is_live)


def switch_on(system: FakeSystem, *applied: Applied) -> Tuple[Applied, ...]:
    return live.switch_on(applied, running_context(system), settle_s=0)


def test_settings_are_switched_on_in_order_and_off_in_reverse(system: FakeSystem) -> None:
    system.active.append("bar.service")
    applied = switch_on(system, SERVICE, OTHER, SYSCTL, MODULE)
    assert system.done == [
        "modprobe -- isv_foo", "sysctl --quiet --write -- kernel.panic=5",
        "systemctl stop -- bar.service", "systemctl start -- foo.service"]
    assert [to_text(setting.outcome) for setting in applied] == [
        "was=inactive left=active", "was=active left=inactive", "was=0 left=5",
        "was=absent left=loaded"]
    system.done.clear()
    assert live.switch_off(applied, running_context(system)) == ()
    assert system.done == [
        "systemctl stop -- foo.service", "systemctl reset-failed -- foo.service",
        "sysctl --quiet --write -- kernel.panic=0", "modprobe --remove -- isv_foo"]
    system.done.clear()
    assert live.switch_off(applied, running_context(system), late=True) == ()
    assert system.done == ["systemctl start -- bar.service"]


def test_the_stages_of_kinds_are_ordered() -> None:
    order = ["kernel-module", "sysctl", "tmpfiles", "selinux-boolean", "selinux-file-context"]
    kinds_of = {name: KINDS[name] for name in order}
    stages = {name: kind.stage("on") for name, kind in kinds_of.items() if isinstance(kind, Live)}
    assert [stages[name] for name in order] == sorted(set(stages.values()))
    service = KINDS["service"]
    assert isinstance(service, Live)
    assert max(stages.values()) < service.stage("inactive") < service.stage("active")


def test_a_large_log_entry_is_read_back(system: FakeSystem) -> None:
    deed = live_log.Deed("tmpfiles", "a", "x" * (2 << 20))
    live_log.write_deed(system.root, deed)
    assert live_log.read_log(system.root).deeds == (deed,)


def test_states_that_already_hold_are_neither_changed_nor_undone(system: FakeSystem) -> None:
    system.active.append("foo.service")
    system.values["kernel.panic"] = "5"
    (system.root / "sys/module/isv_foo").mkdir()
    applied = switch_on(system, SERVICE, OTHER, SYSCTL, MODULE)
    assert live.switch_off(applied, running_context(system)) == ()
    assert live.switch_off(applied, running_context(system), late=True) == ()
    assert system.done == []


def test_the_plan_lists_live_changes(system: FakeSystem) -> None:
    ctx = running_context(system)
    wanted = KINDS["kernel-module"].wanted(
        KernelModule("isv-foo", load=True, options="a=1", blacklist=False), ctx)
    assert live.plan_on(wanted, ctx) == ("load kernel module isv_foo now",)
    assert live.plan_on(wanted, running_context(system, is_live=False)) == ()
    applied = switch_on(system, SERVICE, MODULE)
    assert live.plan_off(applied, ctx) == (
        "stop service foo.service now", "unload kernel module isv_foo now")
    assert live.plan_off(applied, running_context(system, is_live=False)) == ()


def test_no_live_change_is_made_in_a_root_that_is_not_running(system: FakeSystem) -> None:
    ctx = running_context(system, is_live=False)
    assert live.switch_on([SERVICE, SYSCTL], ctx) == (SERVICE, SYSCTL)
    rereading.read_again(["units", "firewall"], ctx)
    assert system.done == []


def test_a_parameter_unknown_to_the_kernel_is_ignored(system: FakeSystem) -> None:
    unknown = dataclasses.replace(SYSCTL, key="net.absent")
    assert switch_on(system, unknown) == (unknown,)
    assert system.done == []


def test_values_with_blanks_are_restored_from_the_record(system: FakeSystem) -> None:
    system.values["kernel.panic"] = "4096\t87380   6291456"
    applied = switch_on(system, dataclasses.replace(SYSCTL, value="1 2 3"))
    assert to_text(applied[0].outcome) == "was=4096%2087380%206291456 left=1%202%203"
    live.switch_off(applied, running_context(system))
    assert system.values["kernel.panic"] == "4096 87380 6291456"


def test_a_module_in_use_stays_loaded_with_a_note(system: FakeSystem) -> None:
    applied = switch_on(system, MODULE)
    system.fails["modprobe --remove"] = "Module isv_foo is in use."
    assert live.switch_off(applied, running_context(system)) == (
        "kernel module isv_foo stays until the next boot: Module isv_foo is in use.",)


def test_verify_reports_an_unloaded_module(system: FakeSystem) -> None:
    (applied,) = switch_on(system, MODULE)
    assert kinds.verify([applied], running_context(system)) == ()
    (system.root / "sys/module/isv_foo").rmdir()
    assert problem_texts([applied], running_context(system)) == (
        "kernel module isv_foo is not loaded",)
    assert kinds.verify([applied], running_context(system, is_live=False)) == ()


def test_live_changes_before_a_failure_are_undone_from_the_log(system: FakeSystem) -> None:
    system.active.append("bar.service")
    system.fails["systemctl start"] = "Job failed."
    with pytest.raises(CommandError):
        switch_on(system, SERVICE, OTHER, SYSCTL, MODULE)
    rereading.read_again(["firewall"], running_context(system))
    system.fails.clear()
    system.done.clear()
    assert live.undo_of(system.root, system).log == live_log.NOTHING  # the system is not running
    undo = live.LiveUndo(running_context(system), live_log.read_log(system.root))
    assert undo.before() == ()
    assert system.done == ["systemctl reset-failed -- foo.service",
                           "modprobe --remove -- isv_foo"]
    system.done.clear()
    system.fails["systemctl daemon-reload"] = "no bus"
    assert undo.after() == ("reload systemd's units failed: no bus",)
    assert system.done == [
        "systemctl daemon-reload", "firewall-cmd --state", "firewall-cmd --reload",
        "systemctl start -- bar.service", "sysctl --quiet --write -- kernel.panic=0"]


def test_a_live_change_is_logged_before_it_is_made(system: FakeSystem) -> None:
    system.fails["sysctl"] = "no"
    with pytest.raises(CommandError):
        switch_on(system, SYSCTL)
    assert live_log.read_log(system.root).deeds == (
        live_log.Deed("sysctl", "kernel.panic", "0"),)


def test_an_incomplete_last_log_line_is_ignored_and_damage_is_an_error(system: FakeSystem) -> None:
    assert live_log.read_log(system.root) == live_log.NOTHING
    live_log.write_again(system.root, ["units"])
    path = system.root / JOURNAL / "live"
    path.write_text(path.read_text() + '{"kind": "serv')
    assert live_log.read_log(system.root).again == frozenset({"units"})
    path.write_text("[]\n")
    with pytest.raises(RecordError, match="cannot be read"):
        live_log.read_log(system.root)


def test_changed_paths_determine_what_is_reloaded(system: FakeSystem) -> None:
    assert rereading.to_read_again(["/usr/lib/systemd/system/x.service", "etc/udev/rules.d/1.rules",
                                     "/opt/x"], system.root) == {"units", "udev"}
    assert rereading.to_read_again(
        ["etc/firewalld/zones/public.xml", "etc/multipath/conf.d/x.conf"],
        system.root) == {"firewall", "multipath"}
    system.active.append("multipathd.service")
    write_file(system.root, "run/udev/control", "")
    rereading.read_again(["multipath", "udev", "firewall", "units"], running_context(system))
    assert system.done == [
        "systemctl daemon-reload", "udevadm control --reload", "firewall-cmd --state",
        "firewall-cmd --reload", "systemctl reload -- multipathd.service"]


def test_a_stopped_firewall_is_not_reloaded(system: FakeSystem) -> None:
    system.fails["firewall-cmd --state"] = "not running"
    rereading.read_again(["firewall", "multipath", "udev"], running_context(system))
    assert system.done == ["firewall-cmd --state"]


@pytest.mark.parametrize(("state", "problems"), [
    ("ActiveState=inactive", ("service foo.service is not running",)),
    ("ActiveState=inactive\nJob=17", ()),  # at boot: systemd has yet to start it
    ("ActiveState=failed\nResult=signal\nJob=17", ("service foo.service has failed (signal)",)),
])
def test_a_service_that_systemd_is_about_to_start_is_no_problem(
        state: str, problems: Tuple[str, ...], system: FakeSystem) -> None:
    applied = dataclasses.replace(SERVICE, outcome={live_log.LEFT: "active"})
    ctx = dataclasses.replace(running_context(system), run=lambda *_, **__: state)
    assert tuple(map(str, running_units.problems(applied, ctx))) == problems


@pytest.mark.parametrize(("state", "result"), [
    ("ActiveState=failed\nSubState=failed\nResult=exit-code", "exit-code"),
    ("ActiveState=activating\nSubState=auto-restart\nResult=signal", "signal"),
])
def test_a_service_that_fails_immediately_after_its_start_is_refused(
        system: FakeSystem, state: str, result: str) -> None:
    def runner(argv: Sequence[StrPath], *, ok: Container[int] = (0,),
               stdin: bytes = b"", polled: Polled = None) -> str:
        return state if "show" in argv else system(argv, ok=ok, stdin=stdin)
    ctx = dataclasses.replace(running_context(system), run=runner)
    with pytest.raises(Refused, match=f"foo.service was started and failed at once .{result}"):
        live.switch_on([SERVICE], ctx, settle_s=0)


def test_the_recorded_state_passes_to_the_remaining_plugin(system: FakeSystem) -> None:
    """Two plugins load one module, each with files of its own; it is loaded once."""
    (first,) = switch_on(system, MODULE)
    (second,) = switch_on(system, MODULE)
    assert [to_text(applied.outcome) for applied in (first, second)] == [
        "was=absent left=loaded", "was=loaded left=loaded"]
    ledger = ledger_of({"two": [second]})
    assert plan_revert([first], ledger, system.root).live == ()
    assert to_text(ledger.state("two").settings[0].outcome) == "was=absent left=loaded"
    ledger = ledger_of({"one": [first]})
    assert plan_revert([second], ledger, system.root).live == ()
    assert ledger.state("one").settings == (first,)
    assert plan_revert([first, second], Ledger(), system.root).live == (first, second)


def test_settings_applied_offline_are_stopped_on_a_running_system(system: FakeSystem) -> None:
    change = Change("etc/x", None, Entry("link", 0o777, 0, 0, "", b"y", ()))
    applied = [dataclasses.replace(setting, changes=(change,)) for setting in (SERVICE, MODULE)]
    system.active.append("foo.service")
    (system.root / "sys/module/isv_foo").mkdir()
    live.switch_off([*applied, SYSCTL], running_context(system))
    assert system.done == ["systemctl stop -- foo.service",
                           "systemctl reset-failed -- foo.service",
                           "modprobe --remove -- isv_foo"]


def test_tmpfiles_are_created_and_empty_ones_removed(system: FakeSystem) -> None:
    write_file(system.root, "etc/tmpfiles.d/foo.conf",
               "# c\nd /run/foo/in 0755\nf /run/foo/file\nf /run/foo/data\n"
               "L /run/foo/link - - - - x\nd! /run/boot\nd /run/%b\nr /run/gone\nd /sys\n")
    (applied,) = switch_on(system, TMPFILES)
    assert system.done == ["systemd-tmpfiles --create /etc/tmpfiles.d/foo.conf"]
    assert to_text(applied.outcome).startswith(
        "was=/run,/run/foo,/run/foo/in,/run/foo/file,/run/foo/data,/run/foo/link left=")
    (system.root / "run/foo/in").mkdir(parents=True)
    (system.root / "run/foo/file").touch()
    (system.root / "run/foo/data").write_text("mine")
    (system.root / "run/foo/link").symlink_to("x")
    notes = live.switch_off([applied], running_context(system))
    assert sorted(path.name for path in (system.root / "run/foo").iterdir()) == ["data"]
    assert notes[0] == f"{system.root}/run/foo/data is left: it is not empty"


def test_kernel_arguments_of_a_running_host_are_passed_to_grubby(system: FakeSystem) -> None:
    entry = "boot/loader/entries/a.conf"
    text = "options root=/dev/sda1 quiet\n"
    write_file(system.root, entry, text)
    write_file(system.root, "usr/sbin/grubby", "")
    ctx = running_context(system)
    items = [wanted for item in (
        KernelArgument("iommu", "on", present=True, repeat=False),
        KernelArgument("console", "ttyS0", present=True, repeat=True),
        KernelArgument("quiet", "", present=False, repeat=False))
        for wanted in KINDS["kernel-argument"].wanted(item, ctx)]
    applied = apply_all([*items, *command_line.KIND.implied(items, ctx)], ctx)
    assert system.done == ["grubby --update-kernel=ALL --args=iommu=on --remove-args=quiet"]
    apply_all(command_line.KIND.implied(items, ctx), ctx)
    assert len(system.done) == 1  # applying again changes nothing
    assert "iommu=on" in (system.root / entry).read_text()
    revert = plan_revert(applied, Ledger(), system.root)
    do_revert(revert, ctx)
    finish(revert, Ledger(), ctx)
    assert system.done[1:] == ["grubby --update-kernel=ALL --remove-args=iommu=on console=ttyS0"]
    assert (system.root / entry).read_text() == text


def test_an_argument_that_grubby_cannot_quote_is_written_to_the_entries_or_refused(
        system: FakeSystem) -> None:
    entry = "boot/loader/entries/a.conf"
    write_file(system.root, "usr/sbin/grubby", "")
    write_file(system.root, "etc/default/grub", "")
    write_file(system.root, "etc/kernel/cmdline", "quiet\n")
    ctx = running_context(system)
    items = [wanted for item in (
        KernelArgument("ds", "nocloud;s=x", present=True, repeat=False),
        KernelArgument("iommu", "on", present=True, repeat=False))
        for wanted in KINDS["kernel-argument"].wanted(item, ctx)]
    (line,) = command_line.KIND.implied(items, ctx)
    with pytest.raises(Refused, match="ds=nocloud;s=x cannot be written: grubby") as caught:
        command_line.KIND.check(line, ctx, installed=False)
    assert "grub2-switch-to-blscfg" in caught.value.hint
    write_file(system.root, entry, "options quiet\n")
    (line,) = command_line.KIND.implied(items, ctx)
    command_line.KIND.check(line, ctx, installed=False)
    applied = apply_all([*items, line], ctx)
    assert system.done == ["grubby --update-kernel=ALL --args=iommu=on"]
    assert (system.root / entry).read_text() == 'options quiet ds="nocloud;s=x" iommu=on\n'
    revert = plan_revert(applied, Ledger(), system.root)
    do_revert(revert, ctx)
    finish(revert, Ledger(), ctx)
    assert system.done[1:] == ["grubby --update-kernel=ALL --remove-args=iommu=on"]
    assert (system.root / entry).read_text() == "options quiet\n"
