"""Packages of one plugin in changes of another: they stay, or suit both."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence

import pytest

from ovirt_node_plugin.registry import store
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED
from tests.support.dnf_runner import Answer, Dnf, succeeded
from tests.support.keys import SigningKey, make_key
from tests.support.repositories import installed
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

Packages = Sequence[Mapping[str, Any]]


def bundle(folder: Path, name: str, version: str, packages: Packages, *,
           install: Sequence[str] = (), requires: Sequence[str] = ()) -> Path:
    """Write a bundle with ``packages``, the keywords of ``RpmRepo.add`` of each."""
    repo = support.RpmRepo(folder / f"{name}-{version}.repo", name)
    for package in packages:
        repo.add(**package)
    return support.write_bundle(folder / f"{name}-{version}", support.descriptor_xml(
        name, version, repos=[name], install=install, requires=requires), repo=repo)


def install(dnf: Dnf, root: Path, *plugins: Path) -> Answer:
    return dnf.plugin(root, "install", *plugins, "-y", UNSIGNED)


def cim(folder: Path, version: str = "1.0", *, libraries: str = "2") -> Path:
    """Return a bundle like that of the issue: a daemon, and a provider for it."""
    return bundle(folder, "cim", version, [
        {"name": "sfcb", "version": libraries, "files": {"/opt/cim/sfcb": libraries}},
        {"name": "libcim", "version": "1", "requires": "sfcb"}], install=["sfcb", "libcim"])


# What another plugin brings; its packages need or name those of cim
CHANGES: Dict[str, Packages] = {
    "upgrade": [{"name": "other", "version": "1", "requires": "sfcb >= 3"},
                {"name": "sfcb", "version": "3"}],
    "downgrade": [{"name": "other", "version": "1", "requires": "sfcb < 2"},
                  {"name": "sfcb", "version": "1"}],
    "another release": [{"name": "other", "version": "1", "requires": "sfcb = 2-2"},
                        {"name": "sfcb", "version": "2", "release": "2"}],
    "another architecture": [{"name": "other", "version": "1", "requires": "sfcb(x86-64)"},
                             {"name": "sfcb", "version": "2", "arch": "x86_64"}],
    "obsoletes": [{"name": "other", "version": "1", "obsoletes": "libcim"}],
    "obsoletes and provides": [
        {"name": "other", "version": "1", "obsoletes": "libcim", "provides": "libcim = 9"}],
    "obsoletes by a dependency": [
        {"name": "other", "version": "1", "requires": "helper"},
        {"name": "helper", "version": "1", "obsoletes": "sfcb", "provides": "sfcb = 9"}],
    "conflicts": [{"name": "other", "version": "1", "conflicts": "libcim"}],
    "conflicts with a version": [{"name": "other", "version": "1", "conflicts": "sfcb < 3"},
                                 {"name": "sfcb", "version": "3"}],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["node", "host"])
def test_another_plugins_package_is_not_changed(
        change: str, kind: str, tmp_path: Path, dnf: Dnf, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(kind)
    succeeded(install(dnf, root, cim(tmp_path)))
    before = tree_state(root)
    refused = install(dnf, root, bundle(tmp_path, "other", "1.0", CHANGES[change]))
    assert refused.status == 6, refused.text
    assert "packages of plugins change with their plugins only" in refused.err
    assert "plugin cim has " in refused.err and "of plugin cim" in refused.err
    assert "Install it together with a version of plugin cim that fits" in refused.err
    assert state_differences(before, tree_state(root)) == []


@pytest.mark.parametrize("obsoletes", [False, True], ids=["newer package", "and an obsoleter"])
def test_the_packages_of_cim_stay_when_another_plugin_would_replace_them(
        obsoletes: bool, built: support.Fixtures, tmp_path: Path, node: Path, dnf: Dnf) -> None:
    succeeded(dnf.plugin(node, "install", built.bundle("cim"), "-y", "--trust-keys"))
    before = [nevra for nevra in installed(node) if "cim" in nevra or "sblim" in nevra]
    other = bundle(tmp_path, "other", "1.0", [
        {"name": "other", "version": "1", "obsoletes": ["libvirt-cim"] * obsoletes},
        {"name": "sblim-sfcb", "version": "99", "arch": "x86_64"}],
        install=["other", "sblim-sfcb"])
    answer = install(dnf, node, other)
    assert answer.status == (6 if obsoletes else 0), answer.text
    assert ("obsoletes libvirt-cim; plugin cim has" if obsoletes else
            "shares package sblim-sfcb-1.4.9-25.el9.x86_64 with cim") in answer.text
    dnf.plugin(node, "remove", "other", "-y")
    assert [nevra for nevra in installed(node) if "cim" in nevra or "sblim" in nevra] == before
    assert succeeded(dnf.plugin(node, "verify")).out == "cim 1.0: ok\n"


def test_the_refusal_names_package_plugin_and_reason(tmp_path: Path, node: Path,
                                                     dnf: Dnf) -> None:
    succeeded(install(dnf, node, cim(tmp_path)))
    refused = install(dnf, node, bundle(tmp_path, "other", "1.0", CHANGES["obsoletes"]))
    assert "other-1-1.noarch obsoletes libcim; plugin cim has libcim-1-1" in refused.err
    refused = install(dnf, node, bundle(tmp_path / "more", "other", "1.0", CHANGES["upgrade"]))
    assert ("other-1-1.noarch needs sfcb >= 3; plugin cim has sfcb-2-1; repo bundle:other offers"
            " sfcb-3-1") in refused.err


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_a_version_that_nothing_needs_is_left_out_and_the_installed_one_shared(
        version: str, tmp_path: Path, node: Path, dnf: Dnf) -> None:
    succeeded(install(dnf, node, cim(tmp_path)))
    answer = succeeded(install(dnf, node, bundle(tmp_path, "other", "1.0", [
        {"name": "other", "version": "1", "requires": "sfcb"},
        {"name": "sfcb", "version": version}], install=["other", "sfcb"])))
    assert "shares package sfcb-2-1.noarch with cim" in answer.text
    assert "sfcb-2-1.noarch" in installed(node)
    succeeded(dnf.plugin(node, "remove", "other", "-y"))
    assert "sfcb-2-1.noarch" in installed(node)
    assert succeeded(dnf.plugin(node, "verify")).out == "cim 1.0: ok\n"


def test_both_plugins_in_one_command_may_change_their_package(tmp_path: Path, node: Path,
                                                              dnf: Dnf) -> None:
    before = tree_state(node)
    succeeded(install(dnf, node, cim(tmp_path)))
    other = bundle(tmp_path, "other", "1.0", CHANGES["upgrade"])
    succeeded(install(dnf, node, cim(tmp_path, "2.0", libraries="3"), other))
    assert "sfcb-3-1.noarch" in installed(node)
    succeeded(dnf.plugin(node, "remove", "other", "-y"))
    assert succeeded(dnf.plugin(node, "verify")).out == "cim 2.0: ok\n"
    succeeded(dnf.plugin(node, "remove", "cim", "-y"))
    assert state_differences(before, tree_state(node)) == []


def sharing(folder: Path, name: str, version: str, library: str, *, pin: str = "",
            requires: Sequence[str] = ()) -> Path:
    """Return a bundle whose package requires ``lib``, which it brings, or pins its version."""
    made = bundle(folder, name, version, [
        {"name": name, "version": version, "requires": "lib"},
        {"name": "lib", "version": library, "files": {"/opt/lib/file": f"{library}\n"}}],
        install=[name, "lib"] if pin else [name], requires=requires)
    descriptor = made / "node-plugin.xml"
    if pin:
        descriptor.write_text(descriptor.read_text().replace(
            '<install name="lib"/>', f'<install name="lib" version="{pin}"/>'))
    return made


def test_an_upgrade_of_a_shared_package_is_in_the_plan_and_in_both_records(
        tmp_path: Path, node: Path, dnf: Dnf) -> None:
    before = tree_state(node)
    succeeded(install(dnf, node, sharing(tmp_path, "one", "1.0", "1"),
                      sharing(tmp_path, "two", "1.0", "1")))
    plan = succeeded(install(dnf, node, sharing(tmp_path, "one", "2.0", "2")))
    assert "lib-1-1.noarch, which plugin two has too, becomes lib-2-1.noarch." in plan.text
    assert "shares package lib-2-1.noarch with two" in plan.text
    packages = [{package.nevra: package for package in store.read_record(node, name).packages}
                for name in ("one", "two")]
    assert packages[0]["lib-2-1.noarch"] == packages[1]["lib-2-1.noarch"]
    shown = succeeded(dnf.plugin(node, "manifest", "two", "--files", "--json")).json
    (file,) = [file for file in shown["plugins"][0]["files"] if file["path"] == "/opt/lib/file"]
    assert (file["package"], file["size_bytes"]) == ("lib-2-1.noarch", 2)
    assert succeeded(dnf.plugin(node, "verify")).out == "one 2.0: ok\ntwo 1.0: ok\n"
    succeeded(dnf.plugin(node, "remove", "one", "-y"))
    assert "lib-2-1.noarch" in installed(node)
    assert succeeded(dnf.plugin(node, "verify")).out == "two 1.0: ok\n"
    succeeded(dnf.plugin(node, "remove", "two", "-y"))
    assert state_differences(before, tree_state(node)) == []


@pytest.mark.parametrize("limit", ["version", "release", "requires"])
def test_a_shared_package_keeps_the_version_that_the_other_plugin_needs(
        limit: str, tmp_path: Path, node: Path, dnf: Dnf) -> None:
    limited = sharing(tmp_path, "two", "1.0", "1",
                      pin={"version": "1", "release": "1-1"}.get(limit, ""),
                      requires=['<package name="lib" max="1.9"/>'] if limit == "requires" else ())
    succeeded(install(dnf, node, sharing(tmp_path, "one", "1.0", "1"), limited))
    succeeded(install(dnf, node, sharing(tmp_path, "one", "2.0", "2")))
    assert "lib-1-1.noarch" in installed(node)
    refused = install(dnf, node, sharing(tmp_path, "one", "3.0", "3", pin="3"))
    assert refused.status == 6, refused.text
    assert "plugin two has lib-1-1" in refused.err
    assert succeeded(dnf.plugin(node, "verify")).out == "one 2.0: ok\ntwo 1.0: ok\n"


@pytest.mark.parametrize("key", ["same", "none", "other"])
def test_a_shared_package_keeps_its_signer(key: str, built: support.Fixtures, tmp_path: Path,
                                           node: Path, dnf: Dnf) -> None:
    def sharing_signed(name: str, version: str, library_key: Optional[SigningKey]) -> Path:
        repo = support.RpmRepo(tmp_path / f"{name}-{version}.repo", name, key=library_key)
        repo.add("lib", version)
        repo.key = built.key
        repo.add(name, version, requires=f"lib >= {version}")
        made = support.write_bundle(tmp_path / f"{name}-{version}", support.descriptor_xml(
            name, version, repos=[name]), repo=repo, key=built.key)
        if library_key is not None:
            (made / "keys/library").write_bytes(library_key.path.read_bytes())
        return made

    trusted = ("-y", "--trust-keys")
    for name in ("one", "two"):
        succeeded(dnf.plugin(node, "install", *trusted, sharing_signed(name, "1", built.key)))
    before = tree_state(node)
    keys = {"same": built.key, "none": None}
    new = sharing_signed("one", "2", keys[key] if key in keys else make_key(tmp_path / "key"))
    answer = dnf.plugin(node, "install", *trusted, new)
    assert answer.status == (0 if key == "same" else 6), answer.text
    if key != "same":
        signer = f"{built.key.fingerprint.lower()} Node Plugin Fixtures <fixtures@example.com>"
        assert f"lib-1-1.noarch, which plugin two has too, is signed by {signer}; lib-2-1" in (
            answer.err)
        assert state_differences(before, tree_state(node)) == []


def test_a_package_that_requires_the_old_version_keeps_a_shared_package(
        tmp_path: Path, node: Path, dnf: Dnf) -> None:
    library = {"name": "lib", "version": "1"}
    succeeded(install(dnf, node, sharing(tmp_path, "one", "1.0", "1"), bundle(
        tmp_path, "two", "1.0", [{"name": "two", "version": "1", "requires": "lib = 1"},
                                 library])))
    refused = install(dnf, node, sharing(tmp_path, "one", "2.0", "2", pin="2"))
    assert refused.status == 6, refused.text
    assert "plugin two has " in refused.err
    assert "lib-1-1.noarch" in installed(node)


def test_a_shared_package_is_not_obsoleted(tmp_path: Path, node: Path, dnf: Dnf) -> None:
    succeeded(install(dnf, node, sharing(tmp_path, "one", "1.0", "1"),
                      sharing(tmp_path, "two", "1.0", "1")))
    refused = install(dnf, node, bundle(tmp_path, "one", "2.0", [
        {"name": "one", "version": "2", "obsoletes": "lib", "provides": "lib = 2"}]))
    assert refused.status == 6, refused.text
    assert "one-2-1.noarch obsoletes lib; plugin two has lib-1-1" in refused.err


def test_a_package_that_a_plugin_has_lost_does_not_come_from_another(
        tmp_path: Path, node: Path, dnf: Dnf) -> None:
    succeeded(install(dnf, node, cim(tmp_path)))
    run(["rpm", "--root", node, "--dbpath", "/usr/share/rpm", "-e", "--nodeps", "sfcb"])
    refused = install(dnf, node, bundle(tmp_path, "other", "1.0", [
        {"name": "other", "version": "1", "requires": "sfcb"}, {"name": "sfcb", "version": "2"}]))
    assert refused.status == 6, refused.text
    assert "other-1-1.noarch needs sfcb; plugin cim has none" in refused.err
    succeeded(install(dnf, node, tmp_path / "cim-1.0"))
    assert succeeded(dnf.plugin(node, "verify")).out == "cim 1.0: ok\n"
