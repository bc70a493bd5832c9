"""Files in drop-in folders, copied from a plugin's files in a minimal root."""
from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Container, List, Mapping, Sequence, Tuple

import pytest

from ovirt_node_plugin.errors import CommandError, Drifted, Refused
from ovirt_node_plugin.plugin.settings import PlacedFile, Service
from ovirt_node_plugin.settings.engine import checking, kinds, selection
from ovirt_node_plugin.settings.engine.kinds import KINDS
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import do_revert, plan_revert
from ovirt_node_plugin.settings.engine.upgrade import plan_upgrade
from ovirt_node_plugin.settings.kit.model import Context, Wanted
from ovirt_node_plugin.settings.placed.placed_files import PLACEMENTS
from ovirt_node_plugin.system.run import Polled, StrPath, run
from ovirt_node_plugin.undo.changes import Applied
from tests.support.applied import apply_all
from tests.support.settings_root import (
    UNITS,
    RecordingRunner,
    changed_paths,
    context,
    descriptor,
    differences,
    make_root,
    problem_texts,
    tree,
    upgrade_settings,
    wanted_settings,
    write_file,
    write_unit,
)

SOURCE = "/opt/acme/file"
# element, name, unit, path of the copy, content that the checkers accept
PLACEMENT_CASES: Sequence[Tuple[str, str, str, str, str]] = [
    ("udev-rules", "60-acme.rules", "", "etc/udev/rules.d/60-acme.rules",
     'KERNEL=="sd*",SYMLINK+="acme", OWNER="acme"\n'),
    ("multipath-config", "acme.conf", "", "etc/multipath/conf.d/acme.conf",
     'devices {\n  device {\n    vendor "ACME"\n  }\n}\n'),
    ("tmpfiles", "acme.conf", "", "etc/tmpfiles.d/acme.conf",
     "d /var/lib/acme 0750 acme acme -\n"),
    ("logrotate", "acme", "", "etc/logrotate.d/acme", "/var/log/acme.log {\n  weekly\n}\n"),
    ("unit-drop-in", "10-acme.conf", "sshd.service",
     "etc/systemd/system/sshd.service.d/10-acme.conf", "[Service]\nNice=5\n"),
]
every_placement = pytest.mark.parametrize(("element", "name", "unit", "place", "text"),
                                          PLACEMENT_CASES)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


@pytest.mark.parametrize(("element", "unit", "text", "runs"), [
    ("udev-rules", "", 'KERNEL=="sd*", RUN+="/bin/x"\n', True),
    ("udev-rules", "", 'KERNEL=="sd*", PROGRAM="/bin/x"\n', True),
    ("udev-rules", "", 'IMPORT{program}="/bin/x"\n', True),
    ("udev-rules", "", 'IMPORT{file}="/x", SYMLINK+="RUNNER"\n', False),
    ("logrotate", "", "/x {\n  postrotate\n    /bin/x\n  endscript\n}\n", True),
    ("logrotate", "", "/x {\n  rotate 5\n}\n", False),
    ("unit-drop-in", "sshd.service", "[Service]\n ExecStartPost = /bin/x\n", True),
    ("unit-drop-in", "sshd.service", "[Service]\nLimitNOFILE=9\n", False),
    ("tmpfiles", "", "d /x\n", False)])
def test_the_plan_says_first_that_code_of_the_bundle_has_no_signature(
        root: Path, element: str, unit: str, text: str, runs: bool) -> None:
    ctx = replace(context(root), bundle_files={"files/a": text.encode()})
    (item,) = wanted_settings(ctx, PlacedFile(element, "files/a", "a", unit))
    assert (item.danger, "which no signature covers" in item.text) == (runs, runs)
    from_package = wanted_settings(ctx, PlacedFile(element, "/opt/a", "a", unit))
    assert not from_package[0].danger


def placed_item(ctx: Context, element: str, name: str, unit: str = "") -> Wanted:
    return KINDS[element].wanted(PlacedFile(element, SOURCE, name, unit), ctx)[0]


def tmpfiles_item(root: Path, text: str) -> Tuple[Context, Wanted]:
    write_file(root, SOURCE, text)
    ctx = context(root, files=[SOURCE])
    return ctx, placed_item(ctx, "tmpfiles", "acme.conf")


def test_every_placement_has_a_case() -> None:
    assert [form[0] for form in PLACEMENT_CASES] == [placement.kind for placement in PLACEMENTS]


@every_placement
def test_a_file_is_copied_to_its_folder_and_removed(root: Path, element: str, name: str, unit: str,
                                                    place: str, text: str) -> None:
    write_file(root, SOURCE, text)
    before, ctx = tree(root), context(root, files=[SOURCE])
    item = placed_item(ctx, element, name, unit)
    assert item.text.endswith(f"{item.key} from {SOURCE}")
    checking.check([item], ctx, others={})
    assert differences(before, tree(root)) == []
    applied = apply_all([item], ctx)
    info = (root / place).lstat()
    assert (info.st_mode, info.st_uid, info.st_gid) == (0o100644, 0, 0)
    assert (root / place).read_text() == text
    assert changed_paths(applied)[-1] == place
    assert kinds.verify(applied, ctx) == ()
    assert changed_paths(apply_all([item], ctx)) == []
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


@every_placement
def test_a_file_of_the_bundle_is_copied_and_removed_like_one_of_a_package(
        root: Path, element: str, name: str, unit: str, place: str, text: str) -> None:
    before = tree(root)
    ctx = replace(context(root), bundle_files={"files/a": text.encode()})
    item = KINDS[element].wanted(PlacedFile(element, "files/a", name, unit), ctx)[0]
    checking.check([item], ctx, others={})
    applied = apply_all([item], ctx)
    assert (root / place).read_text() == text
    assert kinds.verify(applied, context(root)) == ()
    (root / place).write_text("changed\n")
    assert f"/{place}" in problem_texts(applied, context(root))[0]
    (root / place).write_text(text)
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_a_missing_file_of_the_bundle_is_refused_with_those_that_it_has(root: Path) -> None:
    for files, message in (({}, "has no such file; it has no files/"),
                           ({"files/b": b"", "files/c": b""}, "it has files/b, files/c")):
        ctx = replace(context(root), bundle_files=files)
        item = KINDS["tmpfiles"].wanted(PlacedFile("tmpfiles", "files/a", "a.conf", ""), ctx)[0]
        with pytest.raises(Refused, match=message):
            checking.check([item], ctx, others={})


@every_placement
def test_only_the_checkers_of_files_are_started(root: Path, element: str, name: str, unit: str,
                                                place: str, text: str) -> None:
    write_file(root, SOURCE, text)
    write_file(root, "usr/bin/systemd-analyze", "")
    runner = RecordingRunner(output="257 (257.3-1)\n")
    ctx = replace(context(root, files=[SOURCE], runner=runner), sealed=False)
    item = placed_item(ctx, element, name, unit)
    checking.check([item], ctx, others={})
    apply_all([item], ctx)
    empty = next((word for argv in runner.argvs for word in argv if word.startswith("--root=")), "")
    expected: Mapping[str, List[Tuple[str, ...]]] = {
        "udev-rules": [("udevadm", "--version"),
                       ("udevadm", "verify", "--resolve-names=never", "--no-summary",
                        "--no-style", str(root / place))],
        "tmpfiles": [("systemd-tmpfiles", "--version"),
                     ("systemd-tmpfiles", empty, "--create",
                      f"--prefix=/{empty.rpartition('/')[2]}", "-")],
        "unit-drop-in": [("chroot", str(root), "systemd-analyze", "verify", "--man=no",
                          "--recursive-errors=no", "--", "sshd.service")]}
    assert runner.argvs == expected.get(element, [])
    assert not Path(empty.partition("=")[2] or "/nowhere").exists()


@every_placement
def test_an_existing_file_is_refused(root: Path, element: str, name: str, unit: str, place: str,
                                     text: str) -> None:
    write_file(root, place, "the image's own\n")
    ctx = context(root, files=[SOURCE])
    with pytest.raises(Refused, match="is there already"):
        checking.check([placed_item(ctx, element, name, unit)], ctx, others={})


@every_placement
def test_a_name_of_two_plugins_is_refused_and_both_are_named(
        root: Path, element: str, name: str, unit: str, place: str, text: str) -> None:
    ctx = context(root, files=[SOURCE])
    item = placed_item(ctx, element, name, unit)
    others = {"acme": [Applied(element, item.key, "/x", "absent", ())]}
    with pytest.raises(Refused, match="plugin foo wants .* but plugin acme has"):
        checking.check([item], ctx, others=others)


def test_a_source_that_no_package_contains_is_refused(root: Path) -> None:
    ctx = context(root)
    with pytest.raises(Refused, match="none of the plugin's packages brings that file"):
        checking.check([placed_item(ctx, "udev-rules", "1.rules")], ctx, others={})


def test_a_source_that_is_a_symbolic_link_is_refused(root: Path) -> None:
    ctx = context(root, files=[SOURCE])
    write_file(root, SOURCE, "")
    (root / SOURCE.lstrip("/")).unlink()
    (root / SOURCE.lstrip("/")).symlink_to("/etc/passwd")
    with pytest.raises(Refused, match="not a regular file"):
        apply_all([placed_item(ctx, "logrotate", "acme")], ctx)


def test_a_drop_in_for_a_missing_unit_is_refused(root: Path) -> None:
    ctx = context(root, files=[SOURCE])
    with pytest.raises(Refused, match=r"there is no unit nope\.service"):
        checking.check([placed_item(ctx, "unit-drop-in", "1.conf", "nope.service")], ctx, others={})


def test_a_drop_in_for_a_unit_of_the_plugin_is_accepted(root: Path) -> None:
    ctx = context(root, files=[SOURCE, f"/{UNITS}/own.service"])
    checking.check([placed_item(ctx, "unit-drop-in", "1.conf", "own.service")], ctx, others={})


def test_a_symbolic_link_out_of_the_root_is_not_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    write_file(root, SOURCE, "d /x\n")
    (root / "etc/tmpfiles.d").symlink_to(outside)
    ctx, item = tmpfiles_item(root, "d /x\n")
    apply_all([item], ctx)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("text", ["bogus /var/lib/acme\n", "d var/lib/acme\n", "d\n"])
def test_invalid_tmpfiles_are_refused(root: Path, text: str) -> None:
    ctx, item = tmpfiles_item(root, text)
    with pytest.raises(Refused, match="own checker refuses that file: systemd-tmpfiles"):
        apply_all([item], ctx)


def test_checking_tmpfiles_creates_and_removes_no_file(root: Path) -> None:
    ctx, item = tmpfiles_item(root, "d /var/lib/acme\nf /etc/motd 0644 root root - hello\n"
                               "r /etc/passwd\n")
    apply_all([item], ctx)
    assert not (root / "var/lib/acme").exists() and not (root / "etc/motd").exists()
    assert (root / "etc/passwd").exists()


def test_checking_tmpfiles_changes_nothing_below_the_prefix_or_the_root(root: Path) -> None:
    """A file might name the prefix that the check uses; the check has an empty root."""
    ctx, item = tmpfiles_item(root, "L /.no-such-folder - - - - /etc\n"
                               "w+ /.no-such-folder/passwd - - - - toor::0:0::/root:/bin/sh\n")
    before = tree(root)
    apply_all([item], ctx)
    assert [line for line in differences(before, tree(root)) if "tmpfiles.d" not in line] == []

    def run_with_known_prefix(argv: Sequence[StrPath], *, ok: Container[int] = (0,),
                              stdin: bytes = b"", polled: Polled = None) -> str:
        words = [word for word in map(str, argv) if not word.startswith("--prefix=")]
        return run([*words[:-1], "--prefix=/.no-such-folder", "-"] if "-" in words else words,
                   ok=ok, stdin=stdin)

    (root / "etc/tmpfiles.d/acme.conf").unlink()
    ctx = context(root, files=[SOURCE], runner=run_with_known_prefix)
    with contextlib.suppress(Refused):  # there is no passwd in the empty root
        apply_all([placed_item(ctx, "tmpfiles", "acme.conf")], ctx)
    assert [line for line in differences(before, tree(root)) if "tmpfiles.d" not in line] == []


def test_a_missing_checker_is_an_error_before_any_change(root: Path,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    ctx, item = tmpfiles_item(root, "d /x\n")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CommandError, match="systemd-tmpfiles cannot be started"):
        checking.check([item], ctx, others={})


def test_udev_rules_are_not_checked_by_an_old_or_missing_udevadm(root: Path) -> None:
    """Before systemd 255 udevadm has no verify."""
    write_file(root, SOURCE, "BOGUS\n")
    for version in ("252\n", "254 (254.1-1)\n", ""):
        runner = RecordingRunner(output=version)
        ctx = context(root, files=[SOURCE], runner=runner)
        apply_all([placed_item(ctx, "udev-rules", "1.rules")], ctx)
        assert runner.argvs == [("udevadm", "--version")]

    def run_missing_program(argv: Sequence[StrPath], *, ok: Container[int] = (0,),
                            stdin: bytes = b"", polled: Polled = None) -> str:
        return run(["/nowhere/udevadm"])

    ctx = context(root, files=[SOURCE], runner=run_missing_program)
    apply_all([placed_item(ctx, "udev-rules", "1.rules")], ctx)


def test_invalid_udev_rules_are_refused(root: Path) -> None:
    if not shutil.which("udevadm") or int(run(["udevadm", "--version"]).split()[0]) < 255:
        pytest.skip("udevadm of this machine cannot verify (systemd 255)")
    write_file(root, SOURCE, 'KERNEL=="sd*", BOGUS+="acme"\n')
    ctx = context(root, files=[SOURCE])
    with pytest.raises(Refused, match="own checker refuses that file: udevadm"):
        apply_all([placed_item(ctx, "udev-rules", "60-acme.rules")], ctx)


def test_a_modified_copy_is_reported_and_is_drift(root: Path) -> None:
    ctx, item = tmpfiles_item(root, "d /x\n")
    applied = apply_all([item], ctx)
    (root / "etc/tmpfiles.d/acme.conf").write_text("d /y\n")
    assert problem_texts(applied, ctx) == ("/etc/tmpfiles.d/acme.conf was changed",)
    with pytest.raises(Drifted, match=r"acme\.conf"):
        plan_revert(applied, Ledger(), root)


def test_an_upgrade_copies_the_new_content(root: Path) -> None:
    ctx, item = tmpfiles_item(root, "d /x\n")
    old = apply_all([item], ctx)
    write_file(root, SOURCE, "d /y\n")
    applied = upgrade_settings(plan_upgrade(old, [item], {}, ctx), ctx)
    assert (root / "etc/tmpfiles.d/acme.conf").read_text() == "d /y\n"
    assert kinds.verify(applied, ctx) == ()


def test_a_timer_is_enabled_like_a_service(root: Path) -> None:
    write_unit(root, "acme.timer")
    before, ctx = tree(root), context(root)
    items = selection.wanted(descriptor(Service("acme.timer", "enabled")), ctx)
    checking.check(items, ctx, others={})
    applied = apply_all(items, ctx)
    assert run(["systemctl", f"--root={root}", "is-enabled", "acme.timer"]).strip() == "enabled"
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


def test_a_drop_in_and_the_mask_of_its_unit_are_undone_separately(root: Path) -> None:
    write_file(root, SOURCE, "[Service]\nNice=5\n")
    before, ctx = tree(root), context(root, files=[SOURCE])
    items = selection.wanted(descriptor(
        PlacedFile("unit-drop-in", SOURCE, "1.conf", "sshd.service"),
        Service("sshd.service", "masked")), ctx)
    applied = apply_all(items, ctx)
    for setting in applied:
        do_revert(plan_revert([setting], Ledger(), root), ctx)
    assert differences(before, tree(root)) == []
