"""Certificates of keys that sign kernel modules, made by the real openssl."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import List, Tuple

import pytest

from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.plugin.settings import ModuleSigningKey
from ovirt_node_plugin.settings.engine import checking, kinds
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import do_revert, plan_revert
from ovirt_node_plugin.settings.kit.model import Context, Wanted
from ovirt_node_plugin.system import x509
from ovirt_node_plugin.system.run import run
from tests.support.applied import apply_all
from tests.support.settings_root import (
    RecordingRunner,
    context,
    differences,
    make_root,
    tree,
    wanted_settings,
    write_file,
)
from tests.support.trust_root import ACME, LEAF, OTHER, der

pytestmark = [pytest.mark.root]

PATH = "etc/pki/node-plugin-module-keys/acme.der"
FILE = "files/acme.der"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


def wanted(root: Path, data: bytes) -> Tuple[Context, List[Wanted]]:
    """Return a context with a file of the bundle, and the setting that keeps it."""
    ctx = replace(context(root, runner=RecordingRunner()), bundle_files={FILE: data})
    return ctx, list(wanted_settings(ctx, ModuleSigningKey(FILE, "acme.der")))


def test_a_certificate_is_kept_until_its_plugin_is_removed(root: Path) -> None:
    before = tree(root)
    ctx, items = wanted(root, der(ACME))
    checking.check(items, ctx, others={})
    assert differences(before, tree(root)) == []
    applied = apply_all(items, ctx)
    shown = run(["openssl", "x509", "-inform", "DER", "-in", root / PATH, "-noout",
                 "-fingerprint", "-sha1"]).strip().rpartition("=")[2].lower()
    assert items[0].notes == kinds.remarks(applied, ctx) == (
        "with Secure Boot, modules that this key signs are loaded only after a person has enrolled"
        f" it on each host: mokutil --import /{PATH}, then restart and confirm at the console"
        f" (SHA1 fingerprint {shown})",)
    assert kinds.verify(applied, ctx) == ()
    assert isinstance(ctx.run, RecordingRunner) and ctx.run.argvs == []
    (root / PATH).write_bytes(der(OTHER))
    assert [problem.text for problem in kinds.verify(applied, ctx)] == [f"/{PATH} was changed"]
    (root / PATH).write_bytes(der(ACME))
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize(("data", "why"), [
    (ACME.encode(), "it is in PEM, and has to be in DER"), (b"", "it is not one certificate"),
    (der(ACME) + der(LEAF), "it is not one certificate"), (der(ACME)[:-1], "it is not one"),
    (b"\x30\x80" + bytes(200), "it is not one"), (b"\x30\x03\x30\x01\x30", "it is not one"),
])
def test_what_is_no_certificate_is_refused_before_anything_is_written(
        root: Path, data: bytes, why: str) -> None:
    ctx, items = wanted(root, data)
    with pytest.raises(Refused, match=why):
        checking.check(items, ctx, others={})


def test_a_key_of_a_package_is_checked_after_its_installation(root: Path) -> None:
    source = write_file(root, "opt/acme/key.der", "no certificate")
    ctx = context(root, files=[source])
    items = wanted_settings(ctx, ModuleSigningKey(source, "acme.der"))
    assert "fingerprint" not in items[0].notes[0]
    checking.check(items, ctx, others={})
    with pytest.raises(Refused, match="it is not one certificate in DER"):
        apply_all(items, ctx)
    assert not (root / PATH).exists()


def test_a_private_key_is_refused(root: Path, tmp_path: Path) -> None:
    run(["openssl", "genrsa", "-out", tmp_path / "key", "1024"])
    run(["openssl", "rsa", "-in", tmp_path / "key", "-outform", "DER", "-out", tmp_path / "der"])
    assert x509.problem((tmp_path / "der").read_bytes()) == "it is not one certificate in DER"
