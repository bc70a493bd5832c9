"""Catalogs that are really signed, heeded by the real dnf."""
from __future__ import annotations

from pathlib import Path
from typing import Dict

import pytest

from tests import support
from tests.support.dnf_runner import Dnf, add_to_shipped_library, succeeded
from tests.support.program import Program
from tests.support.signing import signing_key

pytestmark = pytest.mark.root

DESCRIPTOR = """<node-plugin schema-version="1">
  <name>one</name>
  <version>{}</version>
  <vendor>ACME</vendor>
  <summary>One</summary>
  <settings><sysctl name="vm.swappiness" value="7"/></settings>
</node-plugin>
"""


def write(folder: Path, version: str) -> Path:
    """Write a bundle without packages."""
    folder.mkdir()
    (folder / "node-plugin.xml").write_text(DESCRIPTOR.format(version))
    return folder


def test_a_site_keeps_a_catalog_and_dnf_heeds_it(
        built: support.Fixtures, node: Path, tmp_path: Path, dnf: Dnf, program: Program,
        monkeypatch: pytest.MonkeyPatch) -> None:
    bundles: Dict[str, Path] = {version: write(tmp_path / f"one-{version}", version)
                                for version in ("1.0", "1.2")}
    path = tmp_path / "catalog.json"
    with signing_key(built.key, monkeypatch) as key:
        def catalog(action: str, *words: object) -> None:
            succeeded(program("catalog", action, path, *words))

        def sign() -> None:
            catalog("sign", "--sign", key)
        catalog("create", "--title", "Ours")
        for version in ("1.0", "1.2"):
            catalog("add", bundles[version], "--status", "tested")
        catalog("set", "one=1.2", "--status", "withdrawn", "--note", "It loses data.")
        assert not Path(f"{path}.asc").exists()
        dnf.configure(catalog=str(path), catalog_key=str(built.key.path))
        refused = dnf.plugin(node, "install", bundles["1.0"], "-y")
        assert (refused.status, f"there is no {path}.asc" in refused.text) == (6, True)
        sign()
        catalog("verify", "--key", built.key.path)
        listed = succeeded(program("catalog", "list", "--status", "withdrawn", "--json")).json
        assert [(row["name"], row["version"]) for row in listed["plugins"]] == [("one", "1.2")]

        done = succeeded(dnf.plugin(node, "install", bundles["1.0"], "-y"))
        assert "plugin one 1.0 is tested (catalog Ours)" in done.text
        refused = dnf.plugin(node, "install", bundles["1.2"], "-y")
        assert refused.status == 6
        assert "plugin one 1.2 is withdrawn: It loses data. (catalog Ours)" in refused.text
        add_to_shipped_library(dnf, bundles["1.2"], "one")
        assert "one 1.0 is tested in the catalogs" in dnf.plugin(node, "list").text
        (row,) = dnf.plugin(node, "list", "--json").json["plugins"]
        assert row["catalog_status"] == "tested"

        catalog("set", "one=1.0", "--status", "withdrawn")
        sign()
        nothing = succeeded(dnf.plugin(node, "upgrade", "-y"))
        assert "plugin one 1.0 is withdrawn (catalog Ours). It stays installed" in nothing.text
        assert "dnf node-plugin remove one" in nothing.text

        path.write_bytes(path.read_bytes().replace(b"withdrawn", b"supported"))
        refused = dnf.plugin(node, "install", bundles["1.2"], "-y")
        assert "it was made for another content" in refused.text
        assert refused.status == 6
