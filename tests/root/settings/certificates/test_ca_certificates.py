"""Certificates, added to a trust store by the real p11-kit in a chroot."""
from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Dict, Tuple

import pytest

from ovirt_node_plugin.errors import CommandError, Drifted, Refused
from ovirt_node_plugin.isolation import program
from ovirt_node_plugin.plugin.settings import CaCertificate
from ovirt_node_plugin.settings.certificates import pem
from ovirt_node_plugin.settings.engine import checking, kinds, selection
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import do_revert, plan_revert
from ovirt_node_plugin.settings.engine.upgrade import plan_upgrade
from ovirt_node_plugin.settings.kit.model import Context
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.undo.changes import Applied
from tests.support.applied import apply_all
from tests.support.settings_root import (
    RecordingRunner,
    changed_paths,
    context,
    descriptor,
    differences,
    finish,
    ledger_of,
    make_root,
    problem_texts,
    revert_settings,
    tree,
    upgrade_settings,
    write_file,
)
from tests.support.trust_root import ACME, ANCHORS, BUNDLE, LEAF, OTHER, add_trust

pytestmark = pytest.mark.root

SOURCE = "/opt/acme/ca.pem"
CERTIFICATE = descriptor(CaCertificate(SOURCE, "acme.pem"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root_folder = add_trust(make_root(tmp_path / "root"))
    write_file(root_folder, SOURCE, ACME)
    return root_folder


@pytest.fixture
def ctx(root: Path) -> Context:
    return context(root, files=[SOURCE])


def test_a_certificate_is_in_the_trust_store_until_its_plugin_is_removed(
        root: Path, ctx: Context) -> None:
    before = tree(root)
    items = selection.wanted(CERTIFICATE, ctx)
    assert [item.text for item in items] == [
        "trust the certificates of /opt/acme/ca.pem as acme.pem",
        "make the trust store again, with acme.pem"]
    checking.check(items, ctx, others={})
    assert differences(before, tree(root)) == []
    applied = apply_all(items, ctx)
    bundle = (root / BUNDLE).read_text()
    assert "# Test authority acme" in bundle and "# Test authority other" in bundle
    assert BUNDLE in changed_paths(applied) and f"{ANCHORS}/acme.pem" in changed_paths(applied)
    assert kinds.verify(applied, ctx) == ()
    plan = plan_revert(applied, Ledger(), root)
    do_revert(plan, ctx)
    finish(plan, Ledger(), ctx)
    assert differences(before, tree(root)) == []


def test_a_plan_tells_whom_the_certificates_of_a_bundle_name(root: Path, tmp_path: Path) -> None:
    (tmp_path / "acme.pem").write_text(ACME)
    shown = run(["openssl", "x509", "-in", tmp_path / "acme.pem", "-noout", "-fingerprint",
                 "-sha256"]).strip().rpartition("=")[2].lower()
    ctx = replace(context(root), bundle_files={"files/ca.pem": (ACME + OTHER).encode()})
    item = selection.wanted(descriptor(CaCertificate("files/ca.pem", "acme.pem")), ctx)[0]
    assert item.danger and len(item.notes) == 2
    assert item.notes[0] == ("acme.pem has the certificate of CN=Test authority acme, with the"
                             f" SHA-256 fingerprint {shown}")
    assert "CN=Test authority other" in item.notes[1]


def test_a_plan_says_that_the_certificates_of_a_package_are_not_known(ctx: Context) -> None:
    assert selection.wanted(CERTIFICATE, ctx)[0].notes == (
        "whom acme.pem names is not known before its package is fetched; it is in"
        " /opt/acme/ca.pem",)


def test_a_plan_refuses_a_private_key_of_a_bundle(root: Path) -> None:
    ctx = replace(context(root), bundle_files={
        "files/ca.pem": ACME.replace("CERTIFICATE", "PRIVATE KEY").encode()})
    with pytest.raises(Refused, match="has a PRIVATE KEY, not only certificates"):
        checking.check(selection.wanted(descriptor(CaCertificate("files/ca.pem", "acme.pem")), ctx),
                       ctx, others={})


@pytest.mark.parametrize("first", ["one", "two"])
def test_a_certificate_stays_when_another_plugins_certificate_is_removed(
        root: Path, first: str) -> None:
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    files = {"one": write_file(root, "opt/one.pem", ACME),
             "two": write_file(root, "opt/two.pem", OTHER)}
    (root / ANCHORS / "site.pem").unlink()
    shutil.rmtree(root / "etc/pki/ca-trust/extracted/java")
    (root / "etc/pki/ca-trust/extracted/java").mkdir()
    for name, source in files.items():
        ctx = context(root, name, files=[source])
        items = selection.wanted(descriptor(CaCertificate(source, f"{name}.pem")), ctx)
        checking.check(items, ctx, others=applied_by_plugin)
        applied_by_plugin[name] = apply_all(items, ctx, ledger_of(applied_by_plugin))
    last = "two" if first == "one" else "one"
    revert_settings(root, first, applied_by_plugin)
    bundle = (root / BUNDLE).read_text()
    assert ("acme" in bundle, "other" in bundle) == (last == "one", last == "two")
    assert kinds.verify(applied_by_plugin[last], context(root, last)) == ()
    revert_settings(root, last, applied_by_plugin)
    assert set(differences(before, tree(root))) == {
        f"{ANCHORS}/site.pem", "etc/pki/ca-trust/extracted/java/cacerts",
        "opt/one.pem", "opt/two.pem"}
    assert (root / BUNDLE).read_text().count("BEGIN") == 1


def test_a_trust_store_rebuilt_by_hand_is_not_drift(root: Path, ctx: Context) -> None:
    applied = apply_all(selection.wanted(CERTIFICATE, ctx), ctx)
    (root / ANCHORS / "mine.pem").write_text(LEAF)
    (root / BUNDLE).write_text((root / BUNDLE).read_text() + "# touched\n")
    revert_settings(root, "foo", {"foo": applied})
    assert "acme" not in (root / BUNDLE).read_text()
    assert (root / ANCHORS / "mine.pem").exists()


def test_applying_twice_changes_only_the_dated_java_store(root: Path, ctx: Context) -> None:
    items = selection.wanted(CERTIFICATE, ctx)
    apply_all(items, ctx)
    reapplied = apply_all(items, ctx)
    assert set(changed_paths(reapplied)) <= {"etc/pki/ca-trust/extracted/java/cacerts"}


def test_update_ca_trust_of_the_root_is_run_in_the_root(root: Path) -> None:
    runner = RecordingRunner()
    (root / BUNDLE).write_text(OTHER + ACME)
    ctx = context(root, files=[SOURCE], runner=runner)
    items = selection.wanted(CERTIFICATE, ctx)
    checking.check(items, ctx, others={})
    apply_all(items, ctx)
    assert runner.argvs == [tuple(map(str, program.argv(root, ["update-ca-trust", "extract"])))]


def test_a_root_without_update_ca_trust_is_refused(root: Path, ctx: Context) -> None:
    (root / "usr/bin/update-ca-trust").unlink()
    with pytest.raises(Refused, match="the root has no update-ca-trust"):
        checking.check(selection.wanted(CERTIFICATE, ctx), ctx, others={})


def test_a_certificate_of_no_authority_is_refused_and_named(root: Path, ctx: Context) -> None:
    write_file(root, SOURCE, LEAF)
    with pytest.raises(Refused, match=r"left out acme\.pem"):
        apply_all(selection.wanted(CERTIFICATE, ctx), ctx)


def test_verify_reports_a_trust_store_without_the_certificate(root: Path, ctx: Context) -> None:
    applied = apply_all(selection.wanted(CERTIFICATE, ctx), ctx)
    (root / BUNDLE).write_text(OTHER)
    assert problem_texts(applied, ctx) == ("acme.pem is not in the trust store",)


def test_an_update_ca_trust_that_fails_is_an_error(root: Path, ctx: Context) -> None:
    (root / "usr/bin/update-ca-trust").write_text("#!/bin/sh\necho no room >&2; exit 1\n")
    with pytest.raises(CommandError, match="no room"):
        apply_all(selection.wanted(CERTIFICATE, ctx), ctx)


def test_a_modified_anchor_is_drift(root: Path, ctx: Context) -> None:
    applied = apply_all(selection.wanted(CERTIFICATE, ctx), ctx)
    (root / ANCHORS / "acme.pem").write_text(OTHER)
    with pytest.raises(Drifted, match=r"anchors/acme\.pem"):
        plan_revert(applied, Ledger(), root)


def test_certificates_of_one_name_of_two_plugins_are_refused_and_both_named(ctx: Context) -> None:
    others = {"acme": [Applied("ca-certificate", "acme.pem", "/x", "absent", ())]}
    with pytest.raises(Refused, match="plugin foo wants .* but plugin acme has"):
        checking.check(selection.wanted(CERTIFICATE, ctx), ctx, others=others)


def test_an_upgrade_with_a_new_certificate_rebuilds_the_trust_store(
        root: Path, ctx: Context) -> None:
    (root / ANCHORS / "site.pem").unlink()
    items = selection.wanted(CERTIFICATE, ctx)
    old = apply_all(items, ctx)
    write_file(root, SOURCE, OTHER)
    upgrade = plan_upgrade(old, items, {}, ctx)
    applied = upgrade_settings(upgrade, ctx)
    assert "Test authority other" in (root / BUNDLE).read_text()
    assert "Test authority acme" not in (root / BUNDLE).read_text()
    assert kinds.verify(applied, ctx) == ()


@pytest.mark.parametrize(("data", "problem"), [
    (ACME + OTHER, ""),
    ("# a comment\n" + ACME, ""),
    ("", "no complete block"),
    ("not PEM", "no complete block"),
    (ACME[:200], "no complete block"),
    (ACME + ACME[:200], "no complete block"),
    (ACME.replace("CERTIFICATE", "PRIVATE KEY"), "has a PRIVATE KEY"),
    (ACME + "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n",
     "has a PRIVATE KEY"),
    (ACME.replace("MIIB", "MIIC"), "not a certificate"),
    (ACME.replace("MIIB", "!!!!"), "not a certificate"),
    ("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "not a certificate"),
])
def test_only_certificates_in_pem_form_are_accepted(data: str, problem: str) -> None:
    actual = pem.problem(data.encode())
    assert problem in actual and bool(problem) == bool(actual)


def test_a_private_key_is_not_copied(root: Path, ctx: Context) -> None:
    write_file(root, SOURCE, ACME.replace("CERTIFICATE", "PRIVATE KEY"))
    with pytest.raises(Refused, match="PRIVATE KEY, not only certificates"):
        apply_all(selection.wanted(CERTIFICATE, ctx), ctx)
    assert not (root / ANCHORS / "acme.pem").exists()
