"""Files of a bundle with a secret: where they are possible, their mode, and what is shown."""
from __future__ import annotations

import contextlib
import dataclasses
import traceback
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast, get_args

import pytest

from ovirt_node_plugin.errors import CommandError, Refused
from ovirt_node_plugin.operations.model.jobs import Job
from ovirt_node_plugin.operations.plan import active_settings
from ovirt_node_plugin.plugin.settings import (
    CaCertificate,
    ConfigFile,
    ModuleSigningKey,
    PlacedFile,
    SelinuxModule,
    Setting,
    VdsmHook,
)
from ovirt_node_plugin.settings.config_files import folders
from ovirt_node_plugin.settings.engine import checking, kinds
from ovirt_node_plugin.settings.kit.model import Context
from ovirt_node_plugin.settings.placed import placed_files
from tests.support.applied import apply_all
from tests.support.settings_root import (
    RecordingRunner,
    changed_paths,
    context,
    make_root,
    wanted_settings,
    write_file,
)

pytestmark = pytest.mark.root

FILE, SECRET = "files/acme", "hunter2"


class Failing(RecordingRunner):
    """A checker that refuses each file and prints a part of it."""

    def __call__(self, argv: object, **options: object) -> str:
        output = f"stdin:1: syntax error: {SECRET}"
        raise CommandError(f"visudo ended with status 1:\n  {output}", argv=["visudo"],
                           returncode=1, output=output)


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    root = make_root(tmp_path / "root")
    for name in ("sudo", "visudo", "polkitd", "crond"):
        write_file(root, f"usr/sbin/{name}", "")
    write_file(root, "usr/bin/sudo", "")
    write_file(root, "usr/libexec/polkitd", "")
    write_file(root, "usr/bin/update-ca-trust", "")
    write_file(root, "etc/sudoers", "#includedir /etc/sudoers.d\n")
    return replace(context(root, runner=RecordingRunner()), secret_files=frozenset([FILE]),
                   bundle_files={FILE: f"password={SECRET}\n".encode()},
                   shown_files={FILE: b"password=(secret)\n"})


@pytest.mark.parametrize(("item", "why"), [
    (VdsmHook("before_vm_start", 50, "acme", FILE), "VDSM runs hooks as its own user"),
    (PlacedFile("unit-drop-in", FILE, "acme.conf", "sshd.service"), "systemctl show lets every"),
    (CaCertificate(FILE, "acme.pem"), "every user can read its copy"),
    (ConfigFile("polkit", "50-acme.rules", FILE), "does not say that only root reads polkit")])
def test_a_secret_is_refused_where_others_read_the_file(
        ctx: Context, item: Setting, why: str) -> None:
    with pytest.raises(Refused, match=f"that file has a secret, and .*{why}"):
        checking.check(wanted_settings(ctx, item), ctx, others={})


FOLDERS = {folder.id: folder for folder in folders.built_in()}
NAMES = [f"{start}acme{end}" for start in ("", "50-") for end in (
    "", ".conf", ".rules", ".sources", ".nmconnection", ".sh", ".issue", ".profile")]
WITH_SOURCE = [
    VdsmHook("before_vm_start", 50, "acme", FILE), CaCertificate(FILE, "acme.pem"),
    ModuleSigningKey(FILE, "acme.der"), SelinuxModule(FILE, "acme"),
    *(PlacedFile(placement.kind, FILE, "acme.conf", "sshd.service")
      for placement in placed_files.PLACEMENTS),
    *(ConfigFile(name, next(filter(folder.names.fullmatch, NAMES)), FILE)
      for name, folder in FOLDERS.items())]


def test_every_setting_with_a_source_is_tried() -> None:
    assert {type(item) for item in WITH_SOURCE} == {
        each for each in get_args(Setting)
        if "source" in {field.name for field in dataclasses.fields(each)}}


@pytest.mark.parametrize("item", WITH_SOURCE, ids=lambda item: "-".join(
    [type(item).__name__, getattr(item, "element", "") or getattr(item, "folder", "")]))
def test_only_a_place_that_root_alone_reads_takes_a_secret(ctx: Context, item: Setting) -> None:
    private = isinstance(item, PlacedFile) and item.element != "unit-drop-in" or (
        isinstance(item, ConfigFile) and FOLDERS[item.folder].secret)
    with contextlib.nullcontext() if private else pytest.raises(
            Refused, match="that file has a secret"):
        for wanted in wanted_settings(ctx, item):
            checking.check_alone(wanted, ctx)


@pytest.mark.parametrize(("item", "mode"), [
    (PlacedFile("udev-rules", FILE, "50-acme.rules"), 0o600),
    (PlacedFile("multipath-config", FILE, "acme.conf"), 0o600),
    (PlacedFile("tmpfiles", FILE, "acme.conf"), 0o600),
    (PlacedFile("logrotate", FILE, "acme"), 0o600),
    (ConfigFile("cron", "acme", FILE), 0o600), (ConfigFile("sudoers", "acme", FILE), 0o400)])
def test_a_file_with_a_secret_is_for_root_only(ctx: Context, item: Setting, mode: int) -> None:
    items = wanted_settings(ctx, item)
    checking.check(items, ctx, others={})
    path = changed_paths(apply_all(items, ctx))[-1]
    assert (ctx.root / path).stat().st_mode & 0o7777 == mode
    assert (ctx.root / path).read_text() == f"password={SECRET}\n"
    assert SECRET not in kinds.content(items[0], ctx)
    assert isinstance(ctx.run, RecordingRunner)
    assert all(SECRET not in word for argv in ctx.run.argvs for word in argv)


@pytest.mark.parametrize("item", [PlacedFile("tmpfiles", FILE, "acme.conf"),
                                  ConfigFile("sudoers", "acme", FILE)])
def test_what_a_checker_prints_about_a_secret_is_nowhere(ctx: Context, item: Setting) -> None:
    items = wanted_settings(ctx, item)
    with pytest.raises(Refused) as caught:
        apply_all(items, replace(ctx, run=Failing()))
    text = "".join(traceback.format_exception(type(caught.value), caught.value,
                                              caught.value.__traceback__))
    assert "what it printed is not shown, as the file has a secret" in text
    assert SECRET not in text
    with pytest.raises(Refused) as caught:
        apply_all(items, replace(ctx, run=Failing(), secret_files=frozenset()))
    assert SECRET in caught.value.message


def test_lines_that_a_plan_names_have_no_secret(ctx: Context) -> None:
    items = wanted_settings(ctx, PlacedFile("tmpfiles", FILE, "acme.conf"))
    job = SimpleNamespace(name="foo", context=ctx, upgrade=SimpleNamespace(order=items))
    assert list(active_settings.texts([cast(Job, job)])) == [
        ("plugin foo", "/etc/tmpfiles.d/acme.conf", "password=(secret)\n")]


def test_folders_whose_programs_are_started_by_users_take_no_secret() -> None:
    taking = {folder.id for folder in folders.built_in() if folder.secret}
    assert not taking & {"ssh", "polkit", "pam", "profile", "vdsm", "motd", "issue", "krb5",
                         "chrony-sources"}
