"""The notes after a transaction name the package and scriptlet that changed a path."""
from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.operations.apply.transaction_notes import Doers, effects, failures
from ovirt_node_plugin.packages.scriptlet_runs import (
    FailedScriptlet,
    Scriptlet,
    ScriptletReport,
)
from ovirt_node_plugin.system.entries import Entry
from ovirt_node_plugin.undo.changes import Change
from tests import support
from tests.support.custom_plugins import UNSIGNED
from tests.support.dnf_runner import Dnf, succeeded

pytestmark = [pytest.mark.root]

FILE = Entry("file", 0o644, 0, 0, "sha256:00", None, ())
POST = Scriptlet("post", "acme-1-1.noarch")


def lines(*changes: Change, report: ScriptletReport, watched: bool = True) -> List[str]:
    return effects(changes, ["opt/acme/x/file"], Doers(
        report, watched=watched, plugin_packages={"acme", "other"}, whole="image"))


def test_what_is_not_known_is_not_said() -> None:
    changes = (Change("var/lib/a", None, FILE), Change("etc/b", FILE, None),
               Change("etc/a", FILE, FILE), Change("opt/acme", None, FILE))
    paths = ["changed /etc/a.", "removed /etc/b.", "made /var/lib/a."]
    ran = ScriptletReport(ran=[POST])
    assert lines(*changes, report=ran, watched=False) == [f"Scriptlets {path}" for path in paths]
    for report, watched in ((ran, True), (ScriptletReport(), True), (ScriptletReport(), False)):
        assert lines(*changes, report=report, watched=watched) == [
            f"The transaction {path}" for path in paths]


def test_each_change_is_told_by_its_doer_and_its_name() -> None:
    triggers = [Scriptlet("triggerin", name) for name in ("other", "glibc", "glibc")]
    report = ScriptletReport(changed={
        "etc/a": [POST], "etc/c": triggers, "etc/b": [POST, triggers[0]],
        "usr/lib/modules/5.14/modules.dep": [POST], "usr/lib/modules/5.14/modules.dep.bin": [POST]})
    assert lines(*(Change(path, FILE, FILE) for path in (
        *report.changed, "etc/dnf/modules.d/nodejs.module")),
        report=report) == [
            "%post of acme-1-1.noarch changed /etc/a, the index of the modules of kernel 5.14.",
            "%post of acme-1-1.noarch, a trigger of other changed /etc/b.",
            "A trigger of other, a trigger of glibc, a package of the image, changed /etc/c.",
            "DNF changed the state of the module stream nodejs."]


def test_what_failed_is_named() -> None:
    failed = [FailedScriptlet(Scriptlet(section, "acme-1-1.noarch"), "no\n", fatal=False)
              for section in ("triggerun", "postun")]
    assert failures(ScriptletReport(failed=failed)) == [
        f"{name} of acme-1-1.noarch failed, and the change went on, as rpm does it; its output: no"
        for name in ("A trigger", "The scriptlet %postun")]


def test_a_real_transaction_names_package_and_scriptlet(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    core = support.quick_rpm("core-trigger", "1", requires="busybox", scriptlets={
        "filetriggerin -- /opt/acme": "echo x > /etc/by-image"})
    succeeded(dnf(node, "install", "-y", UNSIGNED, core))
    (node / "etc/acme.conf").write_text("of the administrator")  # no scriptlet makes .rpmnew
    (node / "etc/old").write_text("old")
    repo = support.RpmRepo(tmp_path / "repo", "acme")
    repo.add("acme", "1", requires=["busybox", "quiet"],
             files={"/opt/acme/x": "x", "/etc/acme.conf": "of the package"},
             attributes={"/etc/acme.conf": "%config(noreplace)"},
             scriptlets={"post": "echo x > /etc/new; echo new > /etc/old; echo x >> /etc/both",
                         "triggerin -- quiet": "echo x > /etc/by-plugin",
                         "posttrans": "echo x >> /etc/both; mkdir -p /var/lib/acme/sub"})
    repo.add("quiet", "1", requires="busybox", scriptlets={"post": "true"})
    answer = succeeded(dnf.plugin(
        node, "install", "-y", "--json", UNSIGNED, support.write_bundle(
            tmp_path / "acme", support.descriptor_xml(
                "acme", "1", install=["acme", "quiet"], repos=["acme"]), repo=repo)))
    told = [note for note in answer.json["notes"]
            if not note.startswith(("Signatures", "rpm made /etc/acme.conf.rpmnew"))]
    assert told == [
        "%post of acme-1-1.noarch, %posttrans of acme-1-1.noarch made /etc/both.",
        "A trigger of core-trigger, a package of the image, made /etc/by-image.",
        "A trigger of acme made /etc/by-plugin.",
        "%post of acme-1-1.noarch made /etc/new.",
        "%post of acme-1-1.noarch changed /etc/old.",
        "%posttrans of acme-1-1.noarch made /var/lib/acme, /var/lib/acme/sub."]
