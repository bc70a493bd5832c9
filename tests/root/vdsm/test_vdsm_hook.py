"""The report of plugins in VDSM's capabilities, through the hook protocol."""
from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from ovirt_node_plugin.errors import RecordError
from ovirt_node_plugin.registry import store, xml
from ovirt_node_plugin.registry.record import InstalledPackage, Record
from ovirt_node_plugin.registry.rules import SIGNED, UNCHECKED, UNKNOWN, UNSIGNED
from ovirt_node_plugin.registry.trust_level import InstalledTrust
from ovirt_node_plugin.system import limits
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.vdsm import capabilities
from ovirt_node_plugin.vdsm.record_scan import Damaged, scan_record
from tests import support
from tests.support import manpages
from tests.support.dnf_runner import TOP, Dnf
from tests.support.vdsm_machine import (
    HOOK,
    MANIFESTS,
    REGISTRY,
    RPMDB,
    VdsmMachine,
    empty_database,
    installed_nevras,
)

pytestmark = pytest.mark.root

KEY = "0123456789abcdef"
EMPTY = {"format": 1, "plugins": [], "truncated": False, "problem": "", "packagesCompared": True}


@pytest.fixture
def machine(tmp_path: Path) -> VdsmMachine:
    return VdsmMachine(tmp_path / "machine")


def record(name: str = "cim", *packages: InstalledPackage, **texts: str) -> bytes:
    return xml.dump_record(Record(
        name=name, version=texts.get("version", "1.0"), vendor=texts.get("vendor", "ACME"),
        summary="", installed_at="2026-11-22T16:40:11Z", tool="ovirt-node-plugin 0.1.0",
        mode="offline", source="/srv/x", target_kind="node", target_version="4.5.5",
        repos=(name,), packages=packages, settings=(),
        installed_trust=InstalledTrust(level=texts.get("level", "any"))))


def package(nevra: str = "p-1-1.noarch", signer: str = KEY, checked: bool = True
            ) -> InstalledPackage:
    return InstalledPackage(nevra, "", "requested", "", signer, checked)


def test_the_hook_adds_one_key_to_the_capabilities(machine: VdsmMachine) -> None:
    before = {"hooks": {"x": ["\u00e4", 1.5, None]}, "cpuSpeed": "2.10", "\ud800": 10 ** 30}
    result = machine.run(json.dumps(before))
    assert result.report == EMPTY
    assert result.capabilities == {**before, "nodePlugins": EMPTY}
    assert result.mode == "600"


@pytest.mark.main_job
def test_an_installed_plugin_is_reported_as_in_its_record(
        dnf: Dnf, node: Path, built: support.Fixtures, machine: VdsmMachine) -> None:
    dnf.prefix = ("env", "SOURCE_DATE_EPOCH=1700000000")
    answer = dnf.plugin(node, "install", "-y", "--trust-keys", built.bundle("storage"))
    assert answer.status == 0, answer.text
    machine.copy_databases(node)
    result = machine.run()
    assert result.report["packagesCompared"] is True
    assert result.plugins == {"storage": {
        "name": "storage", "version": "1.0", "vendor": "ACME Storage Inc.", "state": "installed",
        "installDate": "2023-11-14T22:13:20Z", "problem": "",
        "trust": store.read_record(node, "storage").trust, "trustLevel": "any"}}


def test_a_plugin_whose_packages_are_missing_is_broken(built: support.Fixtures, node: Path,
                                                       machine: VdsmMachine) -> None:
    shutil.copytree(node / RPMDB, machine.layer / RPMDB)
    installed = installed_nevras(node)[0]
    missing = package("gone-1:2-3.noarch")
    machine.write_record("good", record("good", package(installed)))
    machine.write_record("bad", record("bad", package(installed), missing))
    machine.write_record("worse", record("worse", missing, package(f"zz-{installed}")))
    assert machine.run().states == {
        "good": ("installed", ""), "bad": ("broken", "not installed: gone-1:2-3.noarch"),
        "worse": ("broken", "not installed: gone-1:2-3.noarch and 1 more")}


@pytest.mark.parametrize("kind", ["missing", "garbage", "hidden", "fifo", "empty"])
def test_without_a_readable_rpm_database_packages_are_not_compared(
        node: Path, machine: VdsmMachine, kind: str) -> None:
    folder = machine.layer / RPMDB
    machine.write_record("cim", record("cim", package("gone-1-1.noarch")))
    if kind != "missing":
        shutil.copytree(node / RPMDB, folder)
    database = folder / "rpmdb.sqlite"
    if kind == "garbage":
        database.write_bytes(b"SQLite format 3\0" + os.urandom(1 << 16))
    elif kind == "hidden":
        database.chmod(0)
    elif kind == "fifo":
        for path in folder.iterdir():
            path.unlink()
        os.mkfifo(database)
    elif kind == "empty":
        shutil.rmtree(folder)
        empty_database(folder)
    result = machine.run()  # with a timeout, in case the hook hangs
    assert result.report["packagesCompared"] is False
    assert result.states == {"cim": ("installed", "")}


@pytest.mark.parametrize("code", [
    "import time; time.sleep(600)", "import os; os.kill(os.getpid(), 11)", "raise SystemExit(5)",
    "print('x' * 100_000); raise ImportError", "import os; os.write(3, b'x'); os._exit(0)"])
def test_failures_and_hangs_of_librpm_do_not_affect_the_report(
        machine: VdsmMachine, code: str) -> None:
    machine.write_record("cim", record("cim", package()))
    (machine.library.parent / "rpm").mkdir()
    (machine.library.parent / "rpm/__init__.py").write_text(f"{code}\n")
    result = machine.run()
    assert result.report["packagesCompared"] is False
    assert result.states == {"cim": ("installed", "")}


@pytest.mark.parametrize(("packages", "trust"), [
    ([package()], "signed"),
    ([package(), package("q-1-1.noarch", checked=False)], "unchecked"),
    ([package(checked=False)], "unchecked"),
    ([package(signer="")], "unchecked"),
    ([package(), package("q-1-1.noarch", "", False)], "unsigned"),
    ([], "unknown"),
])
def test_the_trust_of_a_plugin_is_the_lowest_of_its_packages(
        machine: VdsmMachine, packages: List[InstalledPackage], trust: str) -> None:
    machine.write_record("cim", record("cim", *packages))
    assert machine.run().plugins["cim"]["trust"] == trust
    assert store.read_record(machine.layer, "cim").trust == trust


def test_a_plugin_without_its_manifest_is_broken(machine: VdsmMachine) -> None:
    machine.write_record("one", record("one"))
    machine.write_record("two", record("two"), manifest=False)
    assert machine.run().states == {
        "one": ("installed", ""), "two": ("broken", "its manifest is missing")}


def test_an_unreadable_manifest_is_not_reported_as_missing(machine: VdsmMachine) -> None:
    machine.write_record("cim", record())
    (machine.layer / MANIFESTS / "cim.xml").chmod(0o600)
    assert machine.run().states == {"cim": ("installed", "")}
    (machine.layer / MANIFESTS).chmod(0o700)
    assert machine.run().states == {"cim": ("installed", "")}


VALID = record("bad").decode()
BOMB = ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">'
        + "".join(f'<!ENTITY a{i} "&a{i - 1};&a{i - 1};">' for i in range(1, 40))
        + "]><plugin-record>&a39;</plugin-record>")
# The content of each damaged record.
DAMAGED: Dict[str, bytes] = {
    "empty": b"", "no XML": b"storage 1.0\n", "binary": bytes(range(256)) * 64,
    "cut off": VALID[:300].encode(), "twice": VALID.encode() * 2,
    "not UTF-8": VALID.replace("ACME", "\u00e4").encode("latin-1"),
    "UTF-16": VALID.replace("UTF-8", "UTF-16").encode("utf-16"),
    "latin": VALID.replace("UTF-8", "ISO-8859-1").encode(),
    "another root": b"<node-plugin/>", "no format": VALID.replace(' format="1"', "").encode(),
    "later format": VALID.replace('format="1"', 'format="2"').encode(),
    "another's": record("other"), "no name": VALID.replace("<name>bad</name>", "").encode(),
    "two names": VALID.replace("<name>bad</name>", "<name>bad</name>" * 2).encode(),
    "no packages": VALID.replace("<packages/>", "").encode(),
    "nameless package": VALID.replace(
        "<packages/>", '<packages><package reason="requested"/></packages>').encode(),
    "strange key": VALID.replace(
        "<packages/>", '<packages><package nevra="a-1-1.x" checksum="" reason="requested"'
        ' signer="me"/></packages>').encode(),
    "no time": VALID.replace("2026-11-22T16:40:11Z", "yesterday").encode(),
    "bomb": BOMB.encode(), "instruction": VALID.replace("<name>", "<?php x?><name>").encode(),
    "outside": ('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
                "<plugin-record>&e;</plugin-record>").encode(),
    "deep": b"<a>" * 100_000, "deep inside": VALID.replace(
        "<packages/>", f"<packages>{'<a>' * 100}{'</a>' * 100}</packages>").encode(),
    "NUL": VALID.replace("ACME", "A\0ME").encode(),
    "too large": VALID.replace("ACME", "x" * (4 << 20)).encode(),
}


@pytest.mark.parametrize("kind", sorted(DAMAGED))
def test_both_readers_report_the_same_records_as_damaged(tmp_path: Path, kind: str) -> None:
    (tmp_path / REGISTRY).mkdir(parents=True)
    (tmp_path / REGISTRY / "bad").write_bytes(DAMAGED[kind])
    with pytest.raises(Damaged):
        scan_record(str(tmp_path / REGISTRY), "bad")
    with pytest.raises(RecordError):
        store.read_record(tmp_path, "bad")


def test_both_readers_read_the_record_of_the_manual(tmp_path: Path) -> None:
    (example,) = [block for block in manpages.examples_of_kind("ovirt.plugins.d.5", "xml")
                  if block.words == "record"]
    (tmp_path / REGISTRY).mkdir(parents=True)
    (tmp_path / REGISTRY / "storage").write_text(example.text, encoding="utf-8")
    scanned = scan_record(str(tmp_path / REGISTRY), "storage")
    record = store.read_record(tmp_path, "storage")
    assert scanned.texts == {"name": record.name, "version": record.version,
                             "vendor": record.vendor}
    assert scanned.installed_at == record.installed_at
    assert scanned.packages == [(block.nevra, block.signer,
                                 block.checked) for block in record.packages]


def test_damaged_records_are_reported_and_do_not_affect_others(machine: VdsmMachine) -> None:
    for number, data in enumerate(DAMAGED.values()):
        machine.write_record(f"bad-{number}", data.replace(b">bad<", f">bad-{number}<".encode()))
    machine.write_record("good", record("good"))
    result = machine.run()
    assert result.states.pop("good") == ("installed", "")
    for name, (state, problem) in result.states.items():
        if name != "good":
            assert state == "broken" and problem.startswith("its record is damaged: "), name
            assert result.plugins[name]["trust"] == "unknown"
    assert len(result.plugins) == len(DAMAGED) + 1
    assert "passwd" not in result.text and "root:" not in result.text


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_link(path: Path) -> None:
    (path.parent.parent / "secret").write_bytes(record(path.name))
    path.symlink_to("../secret")


def link_to_endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_folder(path: Path) -> None:
    path.mkdir()


def make_large_file(path: Path) -> None:
    path.write_bytes(b"<a/>" * (25 << 20))


def make_sparse_terabyte_file(path: Path) -> None:
    with open(path, "wb") as stream:
        stream.truncate(1 << 40)


def make_private_file(path: Path) -> None:
    path.write_bytes(record(path.name))
    path.chmod(0o600)


@pytest.mark.parametrize("make", [make_fifo, make_link, link_to_endless_device, make_folder,
                                  make_large_file, make_sparse_terabyte_file, make_private_file])
def test_anything_but_a_readable_file_in_place_of_a_record_is_damaged(
        machine: VdsmMachine, make: Callable[[Path], None]) -> None:
    machine.write_record("good", record("good"))
    make(machine.layer / REGISTRY / "bad")
    states = machine.run(timeout_s=20).states
    assert states["good"] == ("installed", "")
    assert states["bad"][0] == "broken" and "record is damaged" in states["bad"][1]


def test_files_without_a_valid_plugin_name_are_ignored(machine: VdsmMachine) -> None:
    for name in ("README", ".cim.x7d", "a b", "-x", "x" * 65, "\u00e4"):
        machine.write_record(name, record())
    machine.write_record("cim", record())
    (machine.layer / REGISTRY / "\udcff").write_bytes(b"")
    assert list(machine.run().plugins) == ["cim"]


def test_long_texts_are_truncated(machine: VdsmMachine) -> None:
    machine.write_record("cim", record(vendor="\u00e4" * 100_000, version="1" * 3000))
    plugin = machine.run().plugins["cim"]
    assert plugin["vendor"] == "\u00e4" * 255 + "\u2026"
    assert len(plugin["version"]) == capabilities.MAX_TEXT


@pytest.mark.parametrize("kind", ["file", "link that leads nowhere", "fifo"])
def test_a_registry_that_is_not_a_folder_has_no_plugins(machine: VdsmMachine, kind: str) -> None:
    folder = machine.layer / REGISTRY
    if kind == "file":
        folder.write_text("")
    elif kind == "fifo":
        os.mkfifo(folder)
    else:
        folder.symlink_to("nowhere")
    assert machine.run().report == EMPTY


def test_an_unreadable_registry_is_reported(machine: VdsmMachine) -> None:
    machine.write_record("cim", record())
    (machine.layer / REGISTRY).chmod(0o700)
    assert machine.run().report == {
        **EMPTY, "problem": "/etc/ovirt.plugins.d cannot be read: Permission denied"}


def test_the_number_of_reported_plugins_is_limited(machine: VdsmMachine) -> None:
    for number in range(20_001):
        machine.write_record(f"plugin-{number:05}", b"", manifest=False)
    result = machine.run(timeout_s=30)
    assert result.report["truncated"] is True
    assert len(result.plugins) == limits.RECORDS


def test_the_time_for_reading_records_is_limited(machine: VdsmMachine) -> None:
    large = record("large").replace(b"<settings/>", (
        b"<settings>" + b"<x/>" * 1_000_000 + b"</settings>"))
    machine.write_record("plugin-0", large)
    for number in range(1, limits.RECORDS):
        os.link(machine.layer / REGISTRY / "plugin-0",
                machine.layer / REGISTRY / f"plugin-{number}")
    result = machine.run()
    assert result.report["truncated"] is True and 0 < len(result.plugins) < limits.RECORDS


def test_two_hundred_plugins_are_reported(machine: VdsmMachine) -> None:
    for number in range(200):
        machine.write_record(f"plugin-{number}", record(f"plugin-{number}", package()))
    result = machine.run()
    assert len(result.plugins) == 200 and result.report["truncated"] is False


INVALID_CAPABILITIES = {
    "nothing": "", "half": "{", "no JSON": "nonsense", "list": "[]", "null": "null",
    "text": '"text"', "lists": "[" * 100_000, "objects": '{"a": ' * 100_000,
    "long number": "1" * 10_000, "NUL": "\0", "two": '{"a": 1} {}', "bytes": "\udcff"}


@pytest.mark.parametrize("kind", sorted(INVALID_CAPABILITIES))
def test_a_file_without_one_json_object_is_not_changed(machine: VdsmMachine, kind: str) -> None:
    text = INVALID_CAPABILITIES[kind]
    result = machine.run(text)
    assert (result.status, result.text, result.new_files) == (1, text, [])
    assert result.err.startswith("50_node_plugins: ") and result.err.count("\n") == 1


def test_a_read_only_capabilities_file_is_not_changed(machine: VdsmMachine) -> None:
    result = machine.run('{"a": 1}', mode="400")
    assert (result.status, result.text, result.mode, result.new_files) == (1, '{"a": 1}', "400", [])
    assert "Permission denied" in result.err


def test_an_existing_key_is_replaced(machine: VdsmMachine) -> None:
    result = machine.run('{"nodePlugins": {"plugins": [1]}, "b": 2}')
    assert result.capabilities == {"nodePlugins": EMPTY, "b": 2}


@pytest.mark.parametrize("damage", ["gone", "syntax", "raises"])
def test_a_damaged_library_leaves_the_capabilities_file_unchanged(
        machine: VdsmMachine, damage: str) -> None:
    module = machine.library / "vdsm/capabilities.py"
    shutil.rmtree(module.parent / "__pycache__")
    if damage == "gone":
        shutil.rmtree(machine.library)
    else:
        module.write_text("(" if damage == "syntax" else "raise KeyError('x')")
    result = machine.run('{"a": 1}')
    assert (result.status, result.text, result.new_files) == (1, '{"a": 1}', [])


def test_a_full_disk_leaves_the_capabilities_file_unchanged(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")
    file = tmp_path / "json"
    file.write_text('{"a": 1}')
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        capabilities.add_to(str(file))
    assert [path.name for path in tmp_path.iterdir()] == ["json"]
    assert file.read_text() == '{"a": 1}'


def test_the_hook_does_not_import_expensive_modules() -> None:
    """Neither modules that take long to import nor modules that start programs."""
    code = ("import sys; sys.path.insert(0, sys.argv[1])\n"
            "from ovirt_node_plugin.vdsm import capabilities; print(*sys.modules)")
    loaded = set(run(["/usr/bin/python3", "-I", "-c", code, TOP]).split())
    expensive = {"lxml", "dataclasses", "typing", "pathlib", "subprocess", "tempfile", "dnf", "rpm",
                 "argparse", "inspect", "logging", "xml.etree"}
    assert loaded & expensive == set()


def test_the_hook_is_an_executable_in_vdsms_hook_folder(machine: VdsmMachine) -> None:
    assert os.access(TOP / "vdsm-hooks" / HOOK.split("hooks/")[1], os.X_OK)
    line = (machine.layer / HOOK).read_text().splitlines()[0]
    assert line == "#!/usr/bin/python3 -I"


def test_the_example_in_the_manual_is_the_report_of_the_hook(
        machine: VdsmMachine, node: Path) -> None:
    (example,) = manpages.examples_of_kind("ovirt.plugins.d.5", "json")
    expected: Dict[str, Any] = json.loads(example.text)
    shutil.copytree(node / RPMDB, machine.layer / RPMDB)
    (installed, *_) = installed_nevras(node)
    for plugin in expected["nodePlugins"]["plugins"]:
        missing = plugin["problem"].rpartition(" ")[2]
        machine.write_record(plugin["name"], record(
            plugin["name"], package(missing or installed, checked=plugin["trust"] == "signed"),
            version=plugin["version"], vendor=plugin["vendor"], level=plugin["trustLevel"]).replace(
            b"2026-11-22T16:40:11Z", plugin["installDate"].encode()))
    result = machine.run()
    assert result.capabilities == expected


def test_the_manual_explains_all_keys_and_words_of_the_report(machine: VdsmMachine) -> None:
    machine.write_record("cim", record())
    report = machine.run().report
    terms = manpages.terms(manpages.section("ovirt.plugins.d.5", "IN VDSM'S CAPABILITIES"))
    words = {"signed", "unchecked", "unsigned", "unknown"}
    assert set(re.findall(r"\w+", " ".join(terms))) == {
        "nodePlugins", *report, *report["plugins"][0], *words}
    assert words == {SIGNED, UNCHECKED, UNSIGNED, UNKNOWN}


def test_the_manual_has_the_limits_of_the_code() -> None:
    text = manpages.prose(manpages.section("ovirt.plugins.d.5", "IN VDSM'S CAPABILITIES"))
    assert f"more than {capabilities.MAX_TEXT} characters" in text
    assert f"after {limits.RECORDS} plugins or two seconds" in text
    assert capabilities._READING_S == capabilities._COMPARING_S == 2
