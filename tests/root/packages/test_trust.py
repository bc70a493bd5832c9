"""Keys and signatures: which keys are trusted, and what is refused."""
from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import List, Optional

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.dnf_runner import Dnf, add_to_shipped_library
from tests.support.keys import SigningKey, make_key
from tests.support.repositories import define_repo, installed

pytestmark = pytest.mark.root


def count_keys(root: Path) -> int:
    """Return the number of keys in the rpm database of a node's ``root``."""
    listing = run(["rpm", "--root", root, "--dbpath", "/usr/share/rpm", "-qa"])
    return listing.count("gpg-pubkey-")


def bundle(folder: Path, *, key: Optional[SigningKey], signed_by: Optional[SigningKey],
           name: str = "tool") -> Path:
    """Return a bundle that contains ``key`` and a package signed by ``signed_by``."""
    repo = support.RpmRepo(folder / "rpms", name, key=signed_by)
    repo.add(name, "1.0")
    return support.write_bundle(folder / name, support.descriptor_xml(name, repos=[name]),
                                repo=repo, key=key)


@pytest.fixture(scope="module")
def unknown_key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    """A key that no bundle contains."""
    return make_key(tmp_path_factory.mktemp("stranger") / "key")


def test_trust_keys_imports_a_bundles_key(built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    answer = dnf.plugin(node, "install", built.bundle("snmp"), "-y", "--trust-keys")
    assert answer.status == 0, answer.text
    assert count_keys(node) == 1
    answer = dnf.plugin(node, "install", built.bundle("cim"), "-y")
    assert answer.status == 0, answer.text


def test_assumeyes_alone_does_not_trust_a_bundles_key(built: support.Fixtures, node: Path,
                                                      dnf: Dnf) -> None:
    before = installed(node)
    answer = dnf.plugin(node, "install", built.bundle("snmp"), "-y")
    assert answer.status == 6
    assert "-y does not trust such keys" in answer.err
    assert "--trust-keys" in answer.err
    assert (installed(node), count_keys(node)) == (before, 0)


def test_one_key_is_trusted_by_its_fingerprint_and_no_other(
        built: support.Fixtures, node: Path, unknown_key: SigningKey, tmp_path: Path,
        dnf: Dnf) -> None:
    before = installed(node)
    owner = "Node Plugin Fixtures <fixtures@example.com>"
    signed = bundle(tmp_path, key=built.key, signed_by=built.key)
    shutil.copy2(unknown_key.path, signed / "keys/other")
    define_repo(node, "agent", "")
    (node / "etc/yum.repos.d/agent.repo").write_text(support.repo_file(
        "agent", f"file://{built.repo('agent', '1.0')}", key=built.key))
    right, wrong = built.key.fingerprint, unknown_key.fingerprint
    for words in ([signed], ["agent", "--enablerepo=agent"]):
        answer = dnf.plugin(node, "install", *words, "-y", f"--trust-key={wrong}")
        assert answer.status == 6, answer.text
        assert f"{right.lower()} {owner}" in " ".join(answer.err.split())
    refused = dnf.plugin(node, "install", signed, "-y")
    assert refused.status == 6
    for key in (built.key, unknown_key):
        assert f"offers the key {key.fingerprint.lower()} {owner} (" in refused.err
    assert f"It is signed by {right.lower()} {owner}." in refused.err
    for value in (right[-16:], "x"):
        assert dnf.plugin(node, "install", signed, "-y", f"--trust-key={value}").status == 2
    assert dnf.plugin(node, "install", signed, f"--trust-key={right}", "--trust-keys",
                      "-y").status == 2
    assert (installed(node), count_keys(node)) == (before, 0)
    grouped = " ".join(right[i:i + 4] for i in range(0, 40, 4))
    answer = dnf.plugin(node, "install", signed, "-y", f"--trust-key={grouped}")
    assert answer.status == 0, answer.text
    assert f"Signed by a key that the root does not have yet ({right.lower()}, {owner})" in (
        answer.out)
    assert count_keys(node) == 1
    answer = dnf.plugin(node, "install", "agent", "--enablerepo=agent", "--dry-run", "--json")
    (signature,) = answer.json["signatures"]
    assert signature["fingerprint"] == right.lower()
    assert (signature["owner"], signature["offered_owner"]) == (owner, "")


def test_a_bundles_key_is_refused_without_a_terminal(built: support.Fixtures, node: Path,
                                                     dnf: Dnf) -> None:
    answer = dnf.plugin(node, "install", built.bundle("snmp"), stdin="y\ny\n")
    assert answer.status == 6
    assert "nobody to ask" in answer.err
    assert count_keys(node) == 0


def test_a_bundles_key_is_shown_and_confirmed_on_a_terminal(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    before = installed(node)
    answer = dnf.on_terminal(node, "y\nn\n", "install", built.bundle("snmp"))
    assert answer.status == 6, answer.text
    assert "Fingerprint" in answer.text
    assert (installed(node), count_keys(node)) == (before, 0)
    answer = dnf.on_terminal(node, "n\n", "install", built.bundle("snmp"))
    assert answer.status == 1
    assert "Operation aborted." in answer.text
    answer = dnf.on_terminal(node, "y\ny\n", "install", built.bundle("snmp"))
    assert answer.status == 0, answer.text
    assert count_keys(node) == 1
    assert answer.text.count("Installed plugin snmp 1.0.") == 1


def test_a_package_without_a_signature_is_refused(built: support.Fixtures, node: Path,
                                                  dnf: Dnf) -> None:
    before = installed(node)
    answer = dnf.plugin(node, "install", built.bundle("unsigned"), "-y", "--trust-keys")
    assert answer.status == 6
    assert "unsigned-tool-1.0-1.noarch.rpm is not signed" in answer.err
    assert installed(node) == before


def test_a_package_signed_by_another_key_is_refused(
        built: support.Fixtures, node: Path, unknown_key: SigningKey, tmp_path: Path,
        dnf: Dnf) -> None:
    before = installed(node)
    forged = bundle(tmp_path, key=built.key, signed_by=unknown_key)
    answer = dnf.plugin(node, "install", forged, "-y", "--trust-keys")
    assert answer.status == 6, answer.text
    assert "tool-1.0-1.noarch" in answer.err
    assert installed(node) == before


def test_a_modified_package_is_refused(built: support.Fixtures, node: Path, tmp_path: Path,
                                       dnf: Dnf) -> None:
    before = installed(node)
    copy = tmp_path / "snmp"
    shutil.copytree(built.bundle("snmp"), copy)
    (rpm,) = (copy / "repo").glob("net-snmp-5*.rpm")
    data = bytearray(rpm.read_bytes())
    data[-20] ^= 0xFF
    rpm.write_bytes(data)
    answer = dnf.plugin(node, "install", copy, "-y", "--trust-keys")
    assert answer.status != 0  # the checksum in the metadata does not match
    run(["createrepo_c", "--quiet", copy / "repo"])
    answer = dnf.plugin(node, "install", copy, "-y", "--trust-keys")
    # rpm 4.16 checks the header's signature first, and the payload in its test transaction
    assert answer.status in (6, 8), answer.text
    assert re.search("net-snmp-(1:)?5.9.1-11.el9.x86_64", answer.err)
    assert installed(node) == before


@pytest.fixture
def careless(tmp_path: Path) -> Path:
    """A bundle with an unsigned package, whose ``.repo`` file switches the check off."""
    repo = support.RpmRepo(tmp_path / "rpms", "tool")
    repo.add("tool", "1.0")
    repo.finish()
    return support.write_bundle(
        tmp_path / "tool", support.descriptor_xml("tool", repos=["tool"]),
        repo_files={"tool.repo": support.repo_file("tool", repo.url, gpgcheck=False)})


def test_a_bundles_own_repo_file_cannot_switch_the_check_off(
        careless: Path, node: Path, dnf: Dnf) -> None:
    before = installed(node)
    answer = dnf.plugin(node, "install", careless, "-y", "--enablerepo=tool",
                        "--setopt=gpgcheck=1")
    assert answer.status == 6, answer.text
    assert "tool-1.0-1.noarch.rpm is not signed" in answer.err
    assert installed(node) == before


@pytest.mark.parametrize("options", [
    ["--setopt=gpgcheck=1", "--setopt=tool.gpgcheck=0"], ["--setopt=gpgcheck=0"]])
def test_the_administrator_can_switch_the_check_of_a_bundles_repo_off(
        careless: Path, node: Path, dnf: Dnf, options: List[str]) -> None:
    answer = dnf.plugin(node, "install", careless, "-y", "--enablerepo=tool", *options)
    assert answer.status == 0, answer.text
    assert ("Note: Signatures of packages from tool are not checked (gpgcheck is off)."
            in answer.out)
    assert "tool-1.0-1.noarch" in installed(node)


def test_a_missing_signature_is_reported_with_other_reasons(
        node: Path, tmp_path: Path, dnf: Dnf) -> None:
    repo = support.RpmRepo(tmp_path / "rpms", "tool")
    repo.add("tool", "1.0", files={"/boot/tool": ""})
    path = support.write_bundle(tmp_path / "tool", support.descriptor_xml(
        "tool", repos=["tool"], requires=['<node min="9"/>']), repo=repo)
    answer = dnf.plugin(node, "install", path, "-y", "--setopt=gpgcheck=1", "--json")
    texts = [reason["message"] for reason in answer.json["error"]["reasons"]]
    assert answer.status == 5
    for text, part in zip(texts, ["needs oVirt Node 9", "/boot/tool", "rpm is not signed"]):
        assert part in text
    assert len(texts) == 3


def test_the_check_holds_for_a_library_bundle_in_plain_dnf(
        careless: Path, node: Path, dnf: Dnf) -> None:
    add_to_shipped_library(dnf, careless, "tool")
    answer = dnf(node, "install", "tool", "-y", "--enablerepo=tool", "--setopt=gpgcheck=1")
    assert answer.status == 1, answer.text
    assert "You have enabled checking of packages via GPG keys" in answer.text
    assert dnf(node, "install", "tool", "-y", "--enablerepo=tool",
               "--setopt=gpgcheck=0").status == 0


def test_a_library_bundle_that_weakens_checks_is_left_out(
        careless: Path, node: Path, dnf: Dnf) -> None:
    with (careless / "tool.repo").open("a", encoding="utf-8") as stream:
        stream.write("sslverify=0\n")
    answer = dnf.plugin(node, "install", careless, "-y", "--enablerepo=tool")
    assert answer.status == 7, answer.text
    assert re.search(r"tool/tool\.repo:\d: a bundle may not set sslverify to '0'", answer.err)
    add_to_shipped_library(dnf, careless, "tool")
    answer = dnf(node, "repolist", "--all")
    assert answer.status == 0
    assert "a bundle may not set sslverify" in answer.err
    assert "tool" not in answer.out.split()


def test_nogpgcheck_disables_the_check_with_a_note(built: support.Fixtures, node: Path,
                                                   dnf: Dnf) -> None:
    answer = dnf.plugin(node, "install", built.bundle("unsigned"), "-y", "--nogpgcheck")
    assert answer.status == 0, answer.text
    assert "are not checked" in answer.out


def test_keys_of_the_systems_repos_are_imported(built: support.Fixtures, node: Path,
                                                dnf: Dnf) -> None:
    path = define_repo(node, "agent", f"file://{built.repo('agent', '1.0')}")
    path.write_text(support.repo_file("agent", f"file://{built.repo('agent', '1.0')}",
                                      key=built.key))
    answer = dnf.plugin(node, "install", "agent", "-y", "--enablerepo=agent")
    assert answer.status == 0, answer.text
    assert count_keys(node) == 1


def test_plain_dnf_checks_signatures_with_the_keys_of_the_root(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    define_repo(node, "agent", "")
    (node / "etc/yum.repos.d/agent.repo").write_text(support.repo_file(
        "agent", f"file://{built.repo('agent', '1.0')}", key=built.key))
    answer = dnf(node, "install", "acme-agent", "-y", "--enablerepo=agent")
    assert answer.status == 0, answer.text
    assert count_keys(node) == 1
    assert dnf(node, "install", "-y", "--enablerepo=agent", "--setopt=agent.gpgkey=",
               "acme-agent").status == 0


def test_assumeyes_in_plain_dnf_does_not_trust_a_library_bundles_key(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    add_to_shipped_library(dnf, built.bundle("snmp"), "snmp")
    before = installed(node)
    answer = dnf(node, "install", "-y", "net-snmp", "--enablerepo=snmp")
    assert answer.status == 1
    assert answer.err.startswith("-y does not import keys of plugins: ")
    assert (installed(node), count_keys(node)) == (before, 0)
    run(["rpmkeys", "--root", node, "--dbpath", "/usr/share/rpm", "--import", built.key.path])
    answer = dnf(node, "install", "-y", "net-snmp", "--enablerepo=snmp")
    assert answer.status == 0, answer.text
