"""Services, enabled, disabled and masked with the real systemctl in a minimal root."""
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Optional, Sequence

import pytest

from ovirt_node_plugin.errors import CommandError, Refused
from ovirt_node_plugin.plugin.settings import Service
from ovirt_node_plugin.settings.engine import checking, kinds
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import Revert, do_revert, plan_revert
from ovirt_node_plugin.settings.kit.model import Context, Wanted
from ovirt_node_plugin.settings.services import scriptlet_units
from ovirt_node_plugin.settings.services.services import KIND
from ovirt_node_plugin.system.run import run
from tests.support.applied import apply_all
from tests.support.settings_root import (
    UNITS,
    RecordingRunner,
    changed_paths,
    context,
    differences,
    make_root,
    problem_texts,
    tree,
    write_file,
    write_unit,
)

WANTS = "etc/systemd/system/multi-user.target.wants"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


def service(name: str, state: str, ctx: Context) -> Wanted:
    return KIND.wanted(Service(name, state), ctx)[0]


def scriptlet_service(name: str, ctx: Context) -> Wanted:
    return KIND.wanted(Service(name, "enabled", from_scriptlet=True), ctx)[0]


@pytest.mark.parametrize("path, files, text", [
    (f"{UNITS}/agent.service", (), "is there already and not a plugin's"),
    (f"{UNITS}/agent@.service", (), "is there already and not a plugin's"),
    (None, (f"/{UNITS}/agent.service",), "the plugin's own packages bring"),
])
def test_a_unit_of_a_scriptlet_that_others_bring_is_refused(
        root: Path, path: Optional[str], files: Sequence[str], text: str) -> None:
    ctx = context(root, files=files)
    unit = "agent@1.service" if path and "@" in path else "agent.service"
    item = scriptlet_service(unit, ctx)
    checking.check([item], context(root), others={})
    assert "it is judged after it ran" in item.notes[0]
    if path:
        (root / path).write_text("[Service]\n")
    with pytest.raises(Refused, match=text):
        checking.check([item], ctx, others={})
    if path:
        checking.check([item], replace(ctx, held={path: "foo"}), others={})
        with pytest.raises(Refused, match=f"plugin other has /{path}"):
            checking.check([item], replace(ctx, held={path: "other"}), others={})


@pytest.mark.parametrize("target, text", [
    ("/opt/acme/agent.service", ""), ("/dev/null", "neither a file nor"),
    ("../../../../../outside", "neither a file nor"), ("/opt/acme/none", "neither a file nor"),
    ("/opt/acme", "neither a file nor"),
])
def test_a_unit_that_a_scriptlet_links_has_to_be_a_file_in_the_root(
        root: Path, tmp_path: Path, target: str, text: str) -> None:
    write_file(root, "opt/acme/agent.service", "[Service]\n")
    (tmp_path / "outside").write_text("[Service]\n")
    path, ctx = "etc/systemd/system/agent.service", context(root)
    (root / path).symlink_to(target)
    item = scriptlet_service("agent.service", ctx)
    if text:
        with pytest.raises(Refused, match=f"{text}.*; scriptlets of a-1 ran"):
            scriptlet_units.find(item, ctx, {path}, "scriptlets of a-1 ran")
    else:
        assert scriptlet_units.find(item, ctx, {path}, "")[0] == path
    with pytest.raises(Refused, match="is not from a scriptlet of its packages"):
        scriptlet_units.find(item, ctx, (), "")


def test_a_service_that_has_only_a_sysv_script_is_refused(root: Path) -> None:
    ctx = context(root, files=["/etc/rc.d/init.d/agent"])
    with pytest.raises(Refused, match="only the SysV script /etc/rc.d/init.d/agent") as caught:
        checking.check([service("agent.service", "enabled", ctx)], ctx, others={})
    assert "add a unit that calls the script" in caught.value.hint


def undo(applied: Revert, ctx: Context) -> None:
    do_revert(applied, ctx)


def test_enabling_creates_the_unit_link_and_reverting_removes_it(root: Path) -> None:
    write_unit(root, "agent.service")
    ctx, before = context(root), tree(root)
    item = service("agent.service", "enabled", ctx)
    checking.check([item], ctx, others={})
    assert tree(root) == before
    applied = apply_all([item], ctx)
    # /lib or /usr/lib, whichever is first in this machine's search path
    assert os.readlink(root / WANTS / "agent.service").endswith("/lib/systemd/system/agent.service")
    assert changed_paths(applied) == [f"{WANTS}/agent.service"]
    assert (applied[0].before, kinds.verify(applied, ctx)) == ("disabled", ())
    undo(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_folders_created_by_systemctl_are_removed(root: Path) -> None:
    write_unit(root, "agent.service", also="agent.socket")
    write_unit(root, "agent.socket")
    ctx, before = context(root), tree(root)
    applied = apply_all([service("agent.service", "enabled", ctx)], ctx)
    assert "etc/systemd/system/sockets.target.wants" in changed_paths(applied)
    undo(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize("state", ["disabled", "masked"])
def test_a_service_enabled_in_the_image_is_disabled_and_enabled_again(
        root: Path, state: str) -> None:
    ctx, before = context(root), tree(root)
    applied = apply_all([service("sshd.service", state, ctx)], ctx)
    assert run(["systemctl", f"--root={root}", "is-enabled", "sshd.service"],
               ok=(1,)).strip() == state
    assert applied[0].before == "enabled"
    undo(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def write_unit_with_install(root: Path, name: str, install: str) -> str:
    (root / UNITS / name).write_text(f"[Service]\nExecStart=/bin/true\n[Install]\n{install}\n")
    return f"/{UNITS}/{name}"


@pytest.mark.parametrize(("install", "message"), [
    ("Alias=core.service", r"gives evil\.service the name core\.service, in the place of"),
    ("WantedBy=multi-user.target\nAlias=new.service core.service", r"the name core\.service"),
    ("Also=core.service", r"switches core\.service along with it"),
    ("Also=mine.service", r"gives mine\.service the name core\.service"),
])
def test_a_plugins_unit_that_enables_or_replaces_another_unit_is_refused(
        root: Path, install: str, message: str) -> None:
    write_unit(root, "core.service")
    files = [write_unit_with_install(root, "evil.service", install),
             write_unit_with_install(root, "mine.service", "Alias=core.service")]
    ctx = context(root, files=files)
    with pytest.raises(Refused, match=message):
        apply_all([service("evil.service", "enabled", ctx)], ctx)


def test_a_plugins_unit_that_disables_another_unit_is_refused(root: Path) -> None:
    ctx = context(root, files=[write_unit_with_install(root, "evil.service", "Also=sshd.service")])
    with pytest.raises(Refused, match=r"switches sshd\.service along with it"):
        apply_all([service("evil.service", "disabled", ctx)], ctx)


def test_a_plugins_drop_in_that_enables_another_unit_is_refused(root: Path) -> None:
    write_unit(root, "core.service")
    write_unit(root, "other.service")
    folder = root / UNITS / "core.service.d"
    folder.mkdir()
    (folder / "evil.conf").write_text("[Install]\nAlso=other.service\n")
    ctx = context(root, files=[f"/{UNITS}/core.service.d/evil.conf"])
    with pytest.raises(Refused, match=r"switches other\.service along with it"):
        apply_all([service("core.service", "enabled", ctx)], ctx)


def test_a_plugins_unit_link_to_another_unit_is_refused(root: Path) -> None:
    write_unit(root, "core.service")
    (root / UNITS / "evil.service").symlink_to("core.service")
    ctx = context(root, files=[f"/{UNITS}/evil.service"])
    with pytest.raises(Refused, match=r"switches core\.service along with it"):
        apply_all([service("evil.service", "enabled", ctx)], ctx)


def test_aliases_and_units_of_the_same_plugin_are_enabled(root: Path) -> None:
    write_unit(root, "image.service", also="image.socket")
    write_unit(root, "image.socket")
    files = [write_unit_with_install(root, "a.service",
                                     "Alias=new.service b.service\nAlso=c@.service"),
             write_unit_with_install(root, "b.service", "WantedBy=multi-user.target"),
             write_unit_with_install(root, "c@.service",
                                     "WantedBy=multi-user.target\nDefaultInstance=x")]
    ctx = context(root, files=files)
    before = tree(root)
    applied = apply_all([service("a.service", "enabled", ctx),
                                service("image.service", "enabled", ctx)], ctx)
    assert {f"{WANTS}/c@x.service", "etc/systemd/system/new.service",
            "etc/systemd/system/b.service"} < set(changed_paths(applied))
    undo(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize(("unit", "install", "link"), [
    ("srv-acme.automount", "WantedBy=remote-fs.target",
     "remote-fs.target.wants/srv-acme.automount"),
    ("srv-acme.mount", "RequiredBy=remote-fs.target",
     "remote-fs.target.requires/srv-acme.mount"),
    ("acme.path", "WantedBy=paths.target\nAlias=spool.path", "spool.path"),
    ("acme.slice", "WantedBy=slices.target", "slices.target.wants/acme.slice"),
    ("acme@eth0.timer", "WantedBy=timers.target", "timers.target.wants/acme@eth0.timer"),
    ("acme@.path", "WantedBy=paths.target\nDefaultInstance=a",
     "paths.target.wants/acme@a.path"),
])
def test_units_of_each_type_are_enabled_verified_and_restored(
        root: Path, unit: str, install: str, link: str) -> None:
    template = unit.replace("@eth0.", "@.")
    ctx = context(root, files=[write_unit_with_install(root, template, install)])
    before = tree(root)
    item = service(unit, "enabled", ctx)
    checking.check([item], ctx, others={})
    applied = apply_all([item], ctx)
    assert (root / "etc/systemd/system" / link).is_symlink()
    assert kinds.verify(applied, ctx) == ()
    undo(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_a_template_without_an_instance_is_refused(root: Path) -> None:
    ctx = context(root, files=[write_unit_with_install(
        root, "acme@.path", "WantedBy=paths.target")])
    with pytest.raises((Refused, CommandError)) as caught:
        apply_all([service("acme@.path", "enabled", ctx)], ctx)
    assert "acme@.path" in str(caught.value)


def test_applying_twice_changes_nothing(root: Path) -> None:
    ctx = context(root)
    items = [service("sshd.service", "masked", ctx)]
    apply_all(items, ctx)
    after_first = tree(root)
    assert changed_paths(apply_all(items, ctx)) == []
    assert differences(after_first, tree(root)) == []


def test_verify_reports_a_service_disabled_by_hand(root: Path) -> None:
    ctx = context(root)
    applied = apply_all([service("sshd.service", "enabled", ctx)], ctx)
    run(["systemctl", f"--root={root}", "disable", "sshd.service"])
    assert problem_texts(applied, ctx) == ("service sshd.service is disabled, not enabled",)
    (root / "usr/lib/systemd/system/sshd.service").unlink()
    assert problem_texts(applied, ctx) == ("service sshd.service is not-found, not enabled",)


def test_enabling_a_unit_without_install_section_is_refused(root: Path) -> None:
    write_unit(root, "static.service", install=False)
    ctx = context(root)
    item = service("static.service", "enabled", ctx)
    with pytest.raises(Refused, match="no \\[Install\\] section"):
        checking.check([item], ctx, others={})
    with pytest.raises(Refused, match="no \\[Install\\] section"):
        apply_all([item], ctx)


@pytest.mark.parametrize(("state", "verb"), [
    ("enabled", "enable"), ("disabled", "disable"), ("masked", "mask")])
def test_systemctl_is_started_with_the_root_the_verb_and_the_unit(
        root: Path, state: str, verb: str) -> None:
    runner = RecordingRunner(output="disabled\n")
    ctx = context(root, runner=runner)
    apply_all([service("sshd.service", state, ctx)], ctx)
    query = ("systemctl", f"--root={root}", "is-enabled", "--", "sshd.service")
    assert runner.argvs == [
        query, ("systemctl", f"--root={root}", verb, "--", "sshd.service"),
        *([query] if state == "enabled" else [])]


def test_a_unit_of_the_plugins_packages_is_accepted(root: Path) -> None:
    ctx = context(root, files=["/lib/systemd/system/agent.service",
                               "/usr/lib/systemd/system/inst@.service"])
    checking.check([service("agent.service", "enabled", ctx),
                  service("inst@a.service", "enabled", ctx)], ctx, others={})


def test_a_missing_unit_is_refused(root: Path) -> None:
    ctx = context(root)
    with pytest.raises(Refused, match=r"enable service nope\.service, but there is no such unit"):
        checking.check([service("nope.service", "enabled", ctx)], ctx, others={})


def test_enabling_a_masked_unit_is_refused(root: Path) -> None:
    run(["systemctl", f"--root={root}", "mask", "sshd.service"])
    ctx = context(root)
    with pytest.raises(Refused, match="masked in the root"):
        checking.check([service("sshd.service", "enabled", ctx)], ctx, others={})


def test_masking_a_unit_in_etc_is_refused(root: Path) -> None:
    (root / "etc/systemd/system/own.service").write_text("[Service]\nExecStart=/bin/true\n")
    ctx = context(root)
    with pytest.raises(Refused, match="where the mask would have to be"):
        checking.check([service("own.service", "masked", ctx)], ctx, others={})


@pytest.mark.parametrize("link", ["etc/systemd/system", "etc/systemd", WANTS,
                                  "usr/lib/systemd/system", "usr/lib/systemd", "usr/lib"])
@pytest.mark.parametrize("target", ["absolute", "climbing", "root"])
def test_a_symbolic_link_out_of_the_root_is_refused(root: Path, tmp_path: Path, link: str,
                                                    target: str) -> None:
    outside = tmp_path / "outside"
    (outside / "system").mkdir(parents=True)
    (outside / "systemd/system").mkdir(parents=True)
    before = sorted(outside.rglob("*"))
    run(["rm", "-rf", root / link])
    (root / link).symlink_to({"absolute": str(outside), "root": "/",
                              "climbing": "../" * 20 + str(outside).lstrip("/")}[target])
    ctx = context(root)
    item = service("sshd.service", "enabled", ctx)
    with pytest.raises(Refused, match="symbolic link"):
        checking.check([item], ctx, others={})
    with pytest.raises(Refused, match="symbolic link"):
        apply_all([item], ctx)
    assert sorted(outside.rglob("*")) == before


def test_a_unit_folder_that_is_not_a_folder_is_refused_before_any_change(root: Path) -> None:
    ctx = context(root)
    item = service("sshd.service", "enabled", ctx)
    checking.check([item], ctx, others={})
    run(["rm", "-rf", root / "etc/systemd/system"])
    for target in ("missing", "../fstab"):
        (root / "etc/systemd/system").symlink_to(target)
        (root / "etc/fstab").touch()
        with pytest.raises(Refused, match="/etc/systemd/system in .* is not a folder"):
            checking.check([item], ctx, others={})
        (root / "etc/systemd/system").unlink()


def test_a_missing_systemctl_is_an_error_before_any_change(
        root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    ctx = context(root)
    with pytest.raises(CommandError, match="systemctl cannot be started"):
        checking.check([service("sshd.service", "masked", ctx)], ctx, others={})
