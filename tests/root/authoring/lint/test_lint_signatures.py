"""What ``ovirt-node-plugin lint`` says of keys and signatures."""
from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Dict, Set

import pytest

from ovirt_node_plugin.authoring.lint.lint import lint
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.adhoc import quick_rpm
from tests.support.keys import SigningKey, make_key
from tests.support.rpms import make_repo

pytestmark = pytest.mark.root

DESCRIPTOR = """<node-plugin schema-version="1">
  <name>agent</name><version>2.0</version><vendor>ACME</vendor>
  <summary>The agent</summary><url>https://example.com/</url><license>MIT</license>
  <packages><install name="agent"/></packages>
</node-plugin>
"""


@pytest.fixture(name="other", scope="module")
def _other(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return make_key(tmp_path_factory.mktemp("key") / "other")


@pytest.fixture(name="signed", scope="module")
def _signed(tmp_path_factory: pytest.TempPathFactory, built: support.Fixtures) -> Path:
    """A bundle that is signed in all places by the key in it; tests copy it."""
    folder = tmp_path_factory.mktemp("signed") / "agent"
    (folder / "repo").mkdir(parents=True)
    shutil.copy(quick_rpm("agent", "2.0", files={"/usr/share/agent/a": "x" * 5000}),
                folder / "repo")
    built.key.sign(list((folder / "repo").glob("*.rpm")))
    make_repo(folder / "repo")
    (folder / "keys").mkdir()
    shutil.copy(built.key.path, folder / "keys")
    (folder / "node-plugin.xml").write_text(DESCRIPTOR)
    sign(built.key, folder / "repo/repodata/repomd.xml")
    run(["tar", "-cf", folder.parent / "agent.tar", "-C", folder.parent, "agent"])
    sign(built.key, folder.parent / "agent.tar")
    return folder.parent


@pytest.fixture(name="bundle")
def _bundle(signed: Path, tmp_path: Path) -> Path:
    shutil.copytree(signed, tmp_path / "signed")
    return tmp_path / "signed/agent"


def sign(key: SigningKey, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        shutil.copytree(key.home, home, dirs_exist_ok=True)
        run(["gpg", "--homedir", home, "--batch", "--yes", "--armor", "--detach-sign", path])


def findings(path: Path) -> Dict[str, str]:
    return {finding.code: finding.reason for finding in lint(path, run=run).findings}


def keys_with(key: Path, bundle: Path) -> Set[str]:
    for old in (bundle / "keys").iterdir():
        old.unlink()
    shutil.copy(key, bundle / "keys")
    return set(findings(bundle))


def test_good_signatures_are_not_mentioned(bundle: Path) -> None:
    assert findings(bundle) == {}
    assert findings(bundle.parent / "agent.tar") == {}


def test_changes_after_signing_are_errors(bundle: Path) -> None:
    tar, index = bundle.parent / "agent.tar", bundle / "repo/repodata/repomd.xml"
    with open(tar, "ab") as stream:
        stream.write(bytes(10240))
    assert findings(tar)["signature/invalid"].startswith(
        "the signature agent.tar.asc: it was made for another content (")
    index.write_bytes(index.read_bytes() + b"\n")
    assert findings(bundle)["signature/invalid"].startswith(
        "the signature repo/repodata/repomd.xml.asc: it was made for another content (")
    index.with_name("repomd.xml.asc").write_text("x")
    assert "gpgv cannot read it" in findings(bundle)["signature/invalid"]


def test_an_rpm_that_was_changed_after_it_was_signed_is_an_error(bundle: Path) -> None:
    (path,) = (bundle / "repo").glob("*.rpm")
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    run(["createrepo_c", "--quiet", bundle / "repo"])  # as a person would who exchanged it
    reason = findings(bundle)["packages/signature"]
    assert reason.startswith("rpm refuses it: ") and ": BAD" in reason


def test_signatures_by_keys_that_the_bundle_lacks_are_warnings(
        bundle: Path, other: SigningKey) -> None:
    assert keys_with(other.path, bundle) == {"packages/key", "signature/key"}


def test_without_keys_nothing_is_compared(bundle: Path) -> None:
    shutil.rmtree(bundle / "keys")
    assert findings(bundle) == {}


def test_keys_that_expired_were_revoked_or_are_weak_are_warnings(bundle: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        home = Path(name)
        gpg = ["gpg", "--homedir", name, "--batch", "--quiet", "--yes", "--passphrase", "",
               "--pinentry-mode", "loopback"]
        run([*gpg, "--faked-system-time=20200101T000000", "--quick-generate-key", "expired",
             "rsa2048", "sign", "2020-02-01"])
        run([*gpg, "--quick-generate-key", "revoked", "rsa2048", "sign", "never"])
        run([*gpg, "--quick-generate-key", "weak", "rsa1024", "sign", "never"])
        (certificate,) = [path for path in (home / "openpgp-revocs.d").iterdir()
                          if path.stem == fingerprint(home, "revoked")]
        text = certificate.read_text().replace("\n:-----BEGIN", "\n-----BEGIN")
        run([*gpg, "--import"], stdin=text.encode())
        for user, reason in (("expired", "has expired"), ("revoked", "was revoked"),
                             ("weak", "is too weak: ")):
            (home / user).write_text(run([*gpg, "--armor", "--export", user]))
            assert "keys/state" in keys_with(home / user, bundle)
            assert f"{fingerprint(home, user).lower()} {user} {reason}" in findings(
                bundle)["keys/state"]
        run(["gpgconf", "--homedir", home, "--kill", "all"])


def fingerprint(home: Path, user: str) -> str:
    listing = run(["gpg", "--homedir", home, "--with-colons", "--list-keys", user])
    return next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
