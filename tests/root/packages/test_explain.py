"""Why a plugin cannot be installed: the complete message and the exit status."""
from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence

import pytest

from tests import support
from tests.support.dnf_runner import Answer, Dnf
from tests.support.repositories import define_repo, installed

pytestmark = pytest.mark.root


def install(dnf: Dnf, root: Path, *words: object) -> Answer:
    """Run an install; assert that a refused one changes no package, and return the answer."""
    before = installed(root)
    answer = dnf.plugin(root, "install", *words, "-y", "--trust-keys", "--nogpgcheck")
    assert answer.status == 0 or installed(root) == before
    return answer


def bundle(folder: Path, name: str, *, needs: Sequence[str] = (),
           **package: Sequence[str]) -> Path:
    """Return a bundle with one package of the same name; ``needs`` are elements of <requires>."""
    repo = support.RpmRepo(folder / "rpms" / name, name)
    repo.add(name, "1.0", **package)  # type: ignore[arg-type]
    return support.write_bundle(folder / name, support.descriptor_xml(
        name, repos=[name], requires=needs), repo=repo)


def test_the_message_names_the_requirement_the_installed_and_the_offered_package(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    answer = install(dnf, node, built.bundle("needs-libvirt"))
    assert answer.status == 5
    lines = answer.err.splitlines()
    assert lines[:2] == [
        "Error: plugin needs-libvirt 2.0 cannot go into oVirt Node 4.5.5: it needs newer core"
        " packages than this image has.",
        "  bar-2.0-1.noarch needs libvirt >= 10; the image has libvirt-9.0.0-1; repo"
        " bundle:needs-libvirt offers libvirt-10.0.0-1."]
    for name in ("libvirt-client", "libvirt-daemon", "libvirt-libs"):
        assert sum(f"the image has {name}-9.0.0-1" in line for line in lines) == 1
    assert lines[-1] == "You need a newer Node ISO."


def test_a_plugin_that_needs_a_newer_image_is_installed_there(
        built: support.Fixtures, tmp_path: Path, dnf: Dnf) -> None:
    newer = built.node_root(tmp_path / "newer", "4.5.6")
    answer = install(dnf, newer, built.bundle("needs-libvirt"))
    assert answer.status == 0, answer.text


def test_the_json_error_lists_the_core_packages(built: support.Fixtures, node: Path,
                                                dnf: Dnf) -> None:
    answer = install(dnf, node, built.bundle("needs-libvirt"), "--json")
    error = answer.json["error"]
    assert (answer.status, error["status"], error["kind"]) == (5, 5, "NeedsNewerImage")
    assert error["packages"] == [f"{name}-10.0.0-1.x86_64" for name in (
        "libvirt", "libvirt-client", "libvirt-daemon", "libvirt-libs")]
    assert error["hint"] == "You need a newer Node ISO."
    assert "Error" not in answer.err


def test_the_message_names_the_core_packages_of_all_plugins(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    answer = install(dnf, node, built.bundle("needs-libvirt"), built.bundle("obsoleter"))
    assert answer.status == 5
    assert "  needs-libvirt: plugin needs-libvirt 2.0 cannot go into" in answer.err
    assert "  obsoleter: plugin obsoleter 1.0 cannot go into" in answer.err
    assert "libvirt-10.0.0-1" in answer.err and "device-mapper-multipath-0.8.7" in answer.err


def test_the_hint_for_an_obsoleted_core_package_names_another_plugin_version(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    answer = install(dnf, node, built.bundle("obsoleter"))
    assert answer.status == 5
    assert ("acme-multipath-1.0-1.noarch obsoletes device-mapper-multipath; the image has"
            " device-mapper-multipath-0.8.7-20.el9.") in answer.err
    assert answer.err.splitlines()[-1] == (
        "You need a newer Node ISO, or a version of the plugin that leaves these alone.")


def test_the_message_for_a_conflict_names_the_core_package(
        node: Path, tmp_path: Path, dnf: Dnf) -> None:
    answer = install(dnf, node, bundle(tmp_path, "rival", conflicts=["libvirt < 10"]))
    assert answer.status == 5
    assert "rival-1.0-1.noarch conflicts with libvirt < 10" in answer.err
    assert "or a version of the plugin that leaves these alone" in answer.err


def test_a_requirement_that_no_repo_offers_is_reported_with_the_images_version(
        node: Path, tmp_path: Path, dnf: Dnf) -> None:
    answer = install(dnf, node, bundle(tmp_path, "tool", requires=["libvirt >= 10"]))
    assert answer.status == 4
    assert "nothing provides libvirt >= 10 needed by tool-1.0-1.noarch" in answer.err
    assert ("tool-1.0-1.noarch needs libvirt >= 10; the image has libvirt-9.0.0-1, and no repo"
            " of this run offers another that fits.") in answer.err


@pytest.mark.parametrize("best", [True, False])
def test_the_newest_version_that_fits_is_installed(best: bool, node: Path, tmp_path: Path,
                                                   dnf: Dnf) -> None:
    repo = support.RpmRepo(tmp_path / "rpms", "acme")
    for version, needs in (("1.0", ()), ("2.0", ()), ("3.0", "libvirt >= 99"), ("4.0", "nothing")):
        repo.add("acme", version, requires=needs)
    path = support.write_bundle(tmp_path / "acme", support.descriptor_xml("acme", repos=["acme"]),
                                repo=repo)
    answer = install(dnf, node, path, f"--setopt=best={best}")
    assert answer.status == 0, answer.text
    assert "acme-2.0-1.noarch" in installed(node)


def test_a_missing_dependency_is_reported_in_dnfs_words(node: Path, tmp_path: Path,
                                                        dnf: Dnf) -> None:
    tool = bundle(tmp_path, "tool", requires=["libfoo >= 3"])
    answer = install(dnf, node, tool)
    assert answer.status == 4
    assert "nothing provides libfoo >= 3 needed by tool-1.0-1.noarch" in answer.err
    assert "the image has" not in answer.err
    assert answer.err.splitlines()[-1].startswith(
        "The plugin's own repository tool is off in this run.")
    answer = install(dnf, node, tool, "--enablerepo=tool")
    assert answer.status == 4
    assert answer.err.splitlines()[-1].startswith("Name the repository that has it")


def test_the_hint_names_disabled_repos_of_the_plugin(built: support.Fixtures, node: Path,
                                                     dnf: Dnf) -> None:
    answer = install(dnf, node, built.bundle("tworepos"))
    assert answer.status == 4
    assert "nothing provides tworepos-runtime >= 3" in answer.err
    assert "--enablerepo=" in answer.err and "tworepos-extra" in answer.err.splitlines()[-1]
    for repo_id in ("tworepos", "tworepos-extra"):
        define_repo(node, repo_id, f"file://{built.repo('tworepos', repo_id=repo_id)}")
    answer = install(dnf, node, "tworepos", "--enablerepo=tworepos")
    assert answer.status == 4
    assert answer.err.splitlines()[-1] == (
        "The plugin's own repository tworepos-extra is off in this run. Add"
        " --enablerepo=tworepos-extra, or ask the plugin's vendor.")
    answer = install(dnf, node, "tworepos", "--enablerepo=tworepos*")
    assert answer.status == 0, answer.text


@pytest.mark.parametrize("need, status, text", [
    ('<node min="4.5.6"/>', 5, "it needs oVirt Node 4.5.6 or newer.\nYou need a newer Node ISO."),
    ('<node max="4.5.4"/>', 4, "it is made for oVirt Node up to 4.5.4."),
    ('<node min="4.5.5" max="4.5.5"/>', 0, ""),
    ('<package name="libvirt" min="10"/>', 5,
     "its descriptor needs libvirt >= 10; the root has libvirt-9.0.0-1.\n"
     "You need a newer Node ISO."),
    ('<package name="libvirt" max="8.9"/>', 4, "its descriptor needs libvirt <= 8.9; the root has"
                                               " libvirt-9.0.0-1."),
    ('<package name="libvirt" min="9.0.0-1" max="9.0.0-1"/>', 0, ""),
    ('<package name="nothing" min="1"/>', 4, "needs nothing >= 1; the root has no nothing."),
    ('<tool min="99"/>', 7, "99"),
])
def test_the_requirements_of_the_descriptor_are_checked(
        need: str, status: int, text: str, node: Path, tmp_path: Path, dnf: Dnf) -> None:
    answer = install(dnf, node, bundle(tmp_path, "picky", needs=[need]))
    assert answer.status == status, answer.text
    assert text in answer.err


@pytest.mark.parametrize("variant, need, status, text", [
    ("oVirt Node 4.5.6_master", '<node min="4.5.6"/>', 0, ""),
    ("oVirt Node 4.5.6_master", '<node max="4.5.6_master"/>', 0, ""),
    ("oVirt Node 4.5.6_master", '<node min="9"/>', 5, "into oVirt Node 4.5.6_master: it needs"),
    ("oVirt Node 4.5.6_rc1", '<node max="4.5.6"/>', 4, "it is made for oVirt Node up to 4.5.6."),
    ("", '<node min="4.5.7"/>', 5, "into oVirt Node 4.5.5: it needs oVirt Node 4.5.7 or newer."),
    (None, '<node min="4"/>', 4, "cannot go into oVirt Node of unknown version: it is made for"),
    (None, '<node max="99"/>', 4, "neither by VARIANT or PRETTY_NAME in its os-release nor in"),
    (None, "", 0, ""),
])
def test_the_version_of_a_node_is_read_from_its_os_release(
        variant: Optional[str], need: str, status: int, text: str, node: Path, tmp_path: Path,
        dnf: Dnf) -> None:
    path = node / "usr/lib/os.release.d/ovirt-release-host-node"
    lines = [line for line in path.read_text().splitlines()
             if not line.startswith(("VARIANT=", "PRETTY_NAME="))]
    path.write_text("\n".join([*lines, f'VARIANT="{variant or ""}"', ""]))
    if variant is None:
        (node / "usr/share/imgbase/build/meta/nvr").unlink()
    answer = install(dnf, node, bundle(tmp_path, "picky", needs=[need] if need else []))
    assert answer.status == status, answer.text
    assert text in answer.err


def test_the_hint_on_a_host_names_the_package_to_update(host: Path, tmp_path: Path,
                                                        dnf: Dnf) -> None:
    answer = install(dnf, host, bundle(
        tmp_path, "picky", needs=['<package name="libvirt" min="10"/>', '<node min="9"/>']))
    assert answer.status == 5
    assert answer.err.endswith("Update libvirt first: dnf upgrade libvirt\n")
