"""The plugins of one image merged into the next version; obstacles are reported."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_configuration, make_plugin
from tests.support.dnf_runner import Dnf, add_to_shipped_library, succeeded
from tests.support.iso_contents import extract_iso, file_digests
from tests.support.program import Program

pytestmark = [pytest.mark.root]

FORM = "tree-live"


@pytest.fixture
def old(built: support.Fixtures) -> Path:
    return built.iso(FORM)


@pytest.fixture
def new(built: support.Fixtures) -> Path:
    """The ISO of the next version of the image."""
    return built.iso(FORM, version="4.5.6")


def plugins(program: Program, image: Path) -> List[Tuple[str, str, str]]:
    listed = succeeded(program("inspect", image, "--json")).json["plugins"]
    return [(plugin["name"], plugin["version"], plugin["state"]) for plugin in listed]


def test_kept_bundles_are_sufficient_for_the_next_image(
        program: Program, built: support.Fixtures, old: Path, new: Path, tmp_path: Path) -> None:
    site, next_site = tmp_path / "site.iso", tmp_path / "next.iso"
    folder = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    configuration = make_configuration(
        tmp_path, "ours", files={"rotate": "/var/log/x {\n  weekly\n}\n"},
        settings=['<logrotate name="x" source="files/rotate"/>'])
    succeeded(program("merge", old, built.bundle("cim", form="tar.zst"), folder, configuration,
                      "-o", site, "-y", "--trust-keys", "--nogpgcheck", "--keep-bundles"))
    shutil.rmtree(configuration)
    on_iso = file_digests(extract_iso(site, tmp_path / "taken") / "node-plugins")
    assert sorted(on_iso) == ["agent-1.0.tar", "cim-1.0.tar.zst", "ours-1.0.tar"]
    answer = succeeded(program("merge", new, "--plugins-from", site, "-o", next_site, "-y",
                               "--nogpgcheck", "--keep-bundles"))
    assert "Installed plugin agent 1.0." in answer.out
    assert plugins(program, next_site) == [("agent", "1.0", "installed"),
                                           ("cim", "1.0", "installed"),
                                           ("ours", "1.0", "installed")]
    assert "weekly" in succeeded(program("extract", next_site, "/etc/logrotate.d/x")).out
    assert file_digests(extract_iso(next_site, tmp_path / "again") / "node-plugins") == on_iso
    listed = succeeded(program("inspect", next_site, "--json")).json["plugins"]
    assert {plugin["source"] for plugin in listed} == {"site.iso:/node-plugins/agent-1.0.tar",
                                                 "site.iso:/node-plugins/cim-1.0.tar.zst",
                                                 "site.iso:/node-plugins/ours-1.0.tar"}
    assert [plugin["origin"] for plugin in listed] == [plugin["origin"] for plugin in succeeded(
        program("inspect", site, "--json")).json["plugins"]]


def test_a_kept_bundle_is_removed_with_its_plugin(
        program: Program, old: Path, tmp_path: Path) -> None:
    site, upgraded, less = (tmp_path / name for name in ("site.iso", "upgraded.iso", "less.iso"))
    bundles = [make_plugin(tmp_path, name, version, files={f"/opt/{name}/text": version})
               for name, version in (("one", "1.0"), ("two", "1.0"), ("two", "2.0"))]
    run(["tar", "-C", bundles[2], "-caf", tmp_path / "two.tgz", "."])
    keep = ("-y", UNSIGNED, "--keep-bundles")
    succeeded(program("merge", old, *bundles[:2], "-o", site, *keep))
    succeeded(program("merge", site, tmp_path / "two.tgz", "-o", upgraded, *keep))
    assert sorted(file_digests(extract_iso(upgraded, tmp_path / "taken") / "node-plugins")) == [
        "one-1.0.tar", "two-2.0.tar.gz"]
    succeeded(program("merge", upgraded, "--remove", "one", "-o", less, "-y"))
    plugins = extract_iso(less, tmp_path / "less") / "node-plugins"
    assert sorted(file_digests(plugins)) == ["two-2.0.tar.gz"]


def test_bundles_that_were_not_kept_come_from_the_library(
        program: Program, built: support.Fixtures, dnf: Dnf, old: Path, new: Path,
        tmp_path: Path) -> None:
    site, next_site = tmp_path / "site.iso", tmp_path / "next.iso"
    add_to_shipped_library(dnf, built.bundle("storage"), "storage")
    succeeded(program("merge", old, "storage", "-o", site, "-y", "--trust-keys"))
    succeeded(program("merge", new, "--plugins-from", site, "-o", next_site, "-y", "--trust-keys"))
    assert plugins(program, next_site) == [("storage", "1.0", "installed")]


def test_a_given_path_replaces_the_kept_bundle(
        program: Program, old: Path, new: Path, tmp_path: Path) -> None:
    site, next_site = tmp_path / "site.iso", tmp_path / "next.iso"
    first, second = (make_plugin(tmp_path, "agent", version, files={"/opt/agent/text": version})
                     for version in ("1.0", "2.0"))
    succeeded(program("merge", old, first, "-o", site, "-y", UNSIGNED, "--keep-bundles"))
    answer = succeeded(program("merge", new, second, "--plugins-from", site, "-o", next_site, "-y",
                               UNSIGNED))
    assert "Plugin agent is merged in version 2.0; the other image has 1.0." in answer.out
    assert plugins(program, next_site) == [("agent", "2.0", "installed")]


def test_all_obstacles_are_reported_at_once(
        program: Program, built: support.Fixtures, old: Path, new: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.iso"
    agent = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    gone = make_plugin(tmp_path, "gone", files={"/opt/gone/text": "hello"})
    succeeded(program("merge", old, built.bundle("isv-module-foo"), agent, gone, "-o", site, "-y",
                      "--trust-keys", UNSIGNED))
    answer = program("merge", new, "--plugins-from", site, built.bundle("isv-module-foo"), agent,
                     "-o", tmp_path / "next.iso", "-y", "--trust-keys", UNSIGNED)
    assert answer.status == 6, answer.text
    assert "these plugins do not fit the image:" in answer.err
    # its kernel module is for the old kernel; the other plugin has no source any more
    assert "  isv-module-foo: " in answer.err and "4.5.6" in answer.err
    assert "  gone: there is no plugin gone" in answer.err
    assert "agent:" not in answer.err
    assert not (tmp_path / "next.iso").exists()


def test_the_json_contains_the_reasons(
        program: Program, built: support.Fixtures, old: Path, new: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.iso"
    succeeded(program("merge", old, built.bundle("isv-module-foo"), "-o", site, "-y",
                      "--trust-keys",
                      "--keep-bundles"))
    answer = program("merge", new, "--plugins-from", site, "--dry-run", "--json")
    lines = answer.lines
    error: Dict[str, object] = lines[-1]["error"]
    assert lines[-1]["event"] == "error" and error["kind"] == "DoNotFit"
    assert "isv-module-foo" in str(error["message"])


def test_a_plugin_of_the_old_image_can_be_excluded(
        program: Program, old: Path, new: Path, tmp_path: Path) -> None:
    site, next_site = tmp_path / "site.iso", tmp_path / "next.iso"
    bundles = [make_plugin(tmp_path, name, files={f"/opt/{name}/text": ""})
               for name in ("one", "two")]
    succeeded(program("merge", old, *bundles, "-o", site, "-y", UNSIGNED, "--keep-bundles"))
    succeeded(program("merge", new, "--plugins-from", site, "--remove", "two", "-o", next_site,
                      "-y",
                      UNSIGNED))
    assert plugins(program, next_site) == [("one", "1.0", "installed")]


@pytest.fixture
def snmp(built: support.Fixtures, tmp_path: Path) -> Path:
    """A .repo file of a repository with a plugin, which the test can take away."""
    shutil.copytree(built.repo("snmp"), tmp_path / "snmp")
    file = tmp_path / "snmp.repo"
    file.write_text((built.repo("snmp") / "snmp.repo").read_text().replace(
        f"file://{built.repo('snmp')}", f"file://{tmp_path}/snmp"))
    return file


def test_a_bundle_is_made_of_a_plugin_from_a_repository_and_is_sufficient_without_it(
        program: Program, snmp: Path, old: Path, new: Path, tmp_path: Path) -> None:
    site, next_site = tmp_path / "site.iso", tmp_path / "next.iso"
    answer = succeeded(program("merge", old, "snmp", "--repo-file", snmp, "-o", site, "-y",
                               "--trust-keys", "--keep-bundles"))
    assert "not kept" not in answer.out
    shutil.rmtree(tmp_path / "snmp")
    words = ("merge", new, "--plugins-from", site, "-o", next_site, "-y")
    untrusted = program(*words)
    assert untrusted.status == 6 and "signed by keys that the image does not trust" in untrusted.err
    succeeded(program(*words, "--trust-keys", "--keep-bundles"))
    (plugin,), (before,) = (succeeded(program("inspect", image, "--json")).json["plugins"]
                            for image in (next_site, site))
    assert (plugin["version"], plugin["state"]) == ("1.0", "installed")
    assert plugin["source"] == "site.iso:/node-plugins/snmp-1.0.tar"
    assert plugin["origin"] == before["origin"] and plugin["origin"]["keys"]


def test_a_plugin_that_an_earlier_merge_took_from_a_repository_is_not_kept_with_a_note(
        program: Program, snmp: Path, old: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.iso"
    agent = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    succeeded(program("merge", old, "snmp", "--repo-file", snmp, "-o", site, "-y", UNSIGNED,
                      "--no-check"))
    answer = succeeded(program("merge", site, agent, "-o", tmp_path / "two.iso", "-y", UNSIGNED,
                               "--keep-bundles", "--no-check"))
    assert ("The bundle of plugin snmp is not kept on the ISO: the plugin came from repo snmp,"
            in answer.out)
    assert plugins(program, tmp_path / "two.iso") == [("agent", "1.0", "installed"),
                                                      ("snmp", "1.0", "installed")]


def test_an_image_without_an_iso_keeps_no_bundles(
        program: Program, node: Path, tmp_path: Path) -> None:
    agent = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    answer = program("merge", node, agent, "-o", tmp_path / "out", "-y", UNSIGNED,
                     "--keep-bundles")
    assert answer.status == 2 and "is not an ISO" in answer.err


def test_a_plugin_that_needs_another_is_not_named_for_a_third(
        program: Program, old: Path, new: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.iso"
    first = make_plugin(tmp_path, "first", files={"/opt/first/text": ""})
    second = make_plugin(tmp_path, "second", files={"/opt/second/text": ""}, requires="first")
    third = make_plugin(tmp_path, "third", files={"/opt/third/text": ""})
    succeeded(program("merge", old, first, second, third, "-o", site, "-y", UNSIGNED))
    answer = program("merge", new, "--plugins-from", site, first, second, "--dry-run", "--json",
                     UNSIGNED)
    message = answer.lines[-1]["error"]["message"]
    assert "third: " in message and "second: " not in message and "first: " not in message


def test_a_version_with_a_caret_is_kept_and_found(
        program: Program, old: Path, new: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.iso"
    bundle = make_plugin(tmp_path, "agent", files={"/opt/agent/text": ""})
    descriptor = bundle / "node-plugin.xml"
    descriptor.write_text(descriptor.read_text().replace(
        "<version>1.0</version>", "<version>1.0^git1</version>"))
    succeeded(program("merge", old, bundle, "-o", site, "-y", UNSIGNED, "--keep-bundles"))
    answer = succeeded(program("merge", new, "--plugins-from", site, "--dry-run", UNSIGNED))
    assert "Installing agent 1.0^git1" in answer.out
