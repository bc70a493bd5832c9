"""The ``.repo`` files of bundles: what they may set, and what is refused."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.errors import BadBundle
from ovirt_node_plugin.plugin.repo_file import repo_ids

pytestmark = pytest.mark.unit

TEXT = "[tool]\nname=Tool\nbaseurl=https://example.com/repo\n{}\n"


def ids_of(tmp_path: Path, text: str) -> object:
    path = tmp_path / "tool.repo"
    path.write_text(text, encoding="utf-8")
    return repo_ids([path])


@pytest.mark.parametrize("line", [
    "enabled=0", "gpgcheck=0", "gpgcheck=1", "repo_gpgcheck=0", "gpgkey=https://example.com/KEY",
    "sslverify=1", "sslverify = True", "module_hotfixes=false", "skip_if_unavailable=0",
    "sslcacert=/etc/pki/tls/certs/ca-bundle.crt", "metadata_expire=300", "autorefresh=1",
    "priority=10", "username=customer", "# proxy=http://example.com"])
def test_options_of_vendors_are_accepted(tmp_path: Path, line: str) -> None:
    assert ids_of(tmp_path, TEXT.format(line)) == ("tool",)


@pytest.mark.parametrize(("line", "message"), [
    ("proxy=http://example.com:3128", "a bundle may not set proxy"),
    ("excludepkgs=libvirt*", "a bundle may not set excludepkgs"),
    ("exclude=libvirt*", "a bundle may not set exclude"),
    ("sslclientkey=/etc/pki/entitlement/1-key.pem", "a bundle may not set sslclientkey"),
    ("sslclientcert=/etc/pki/entitlement/1.pem", "a bundle may not set sslclientcert"),
    ("sslverify=0", "a bundle may not set sslverify to '0'"),
    ("sslverify=perhaps", "a bundle may not set sslverify to 'perhaps'"),
    ("module_hotfixes=1", "a bundle may not set module_hotfixes to '1'"),
    ("skip_if_unavailable=True", "a bundle may not set skip_if_unavailable to 'True'"),
    ("sslcacert=/opt/evil.pem", "a bundle may not set sslcacert to '/opt/evil.pem'"),
    ("GPGCheck=0", "a bundle may not set GPGCheck"),
    ("sslverify=\n 0", "a bundle may not set sslverify to '\\n0'"),
    (" proxy=http://example.com:3128", "")])
def test_options_that_weaken_checks_are_refused_with_file_and_line(
        tmp_path: Path, line: str, message: str) -> None:
    text = TEXT.format(f"enabled=0\n\n{line}")
    if not message:  # a continuation of the line above it is part of that value
        assert ids_of(tmp_path, text) == ("tool",)
        return
    with pytest.raises(BadBundle) as caught:
        ids_of(tmp_path, "[other]\nname=x\nbaseurl=https://example.com\n" + text)
    assert caught.value.message == f"{tmp_path}/tool.repo:9: {message}"
    assert caught.value.hint
