"""A sample descriptor and bundle; each test changes one part."""
from __future__ import annotations

from pathlib import Path

DESCRIPTOR = """<?xml version="1.0" encoding="UTF-8"?>
<node-plugin schema-version="1">
  <name>cim</name>
  <version>1.0</version>
  <vendor>Example Storage Inc.</vendor>
  <summary>CIM monitoring for oVirt Node</summary>
  <description>
    Answers CIM requests
    about the host.

    Needs a user.
  </description>
  <url>https://example.com/cim?a=1</url>
  <license>GPL-2.0-or-later</license>
  <requires>
    <package name="vdsm" min="4.50"/>
    <tool min="0.1"/>
    <node min="4.5.5" max="4.6"/>
  </requires>
  <repos>
    <repo id="cim"/>
  </repos>
  <packages>
    <install name="sblim-sfcb"/>
    <install name="libvirt-cim" version="0.6.3-1"/>
    <exclude name="sblim-*-debug"/>
  </packages>
  <settings>
    <service name="sblim-sfcb.service" state="enabled"/>
    <kernel-module name="isv_foo" load="yes" options="debug=1 mode=fast"/>
    <kernel-module name="other" blacklist="yes"/>
    <vdsm-hook point="before_vm_start" order="50" name="storage" source="/usr/share/x/a.py"/>
  </settings>
</node-plugin>
"""
REPO = "[cim]\nname=CIM\nbaseurl=https://example.com/repo\nenabled=0\n"
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----\n"


def edit_descriptor(old: str, new: str) -> str:
    """Return the sample descriptor with ``old``, which it contains, replaced by ``new``."""
    assert old in DESCRIPTOR
    return DESCRIPTOR.replace(old, new, 1)


def make_bundle(folder: Path, *, descriptor: str = DESCRIPTOR) -> Path:
    """Write a complete bundle: descriptor, one .repo file, a repository and a key."""
    (folder / "repo" / "repodata").mkdir(parents=True)
    (folder / "repo" / "repodata" / "repomd.xml").write_text("<repomd/>", encoding="utf-8")
    (folder / "repo" / "a-1-1.noarch.rpm").write_bytes(b"rpm")
    (folder / "keys").mkdir()
    (folder / "keys" / "vendor.asc").write_text(KEY, encoding="utf-8")
    (folder / "node-plugin.xml").write_text(descriptor, encoding="utf-8")
    (folder / "cim.repo").write_text(REPO, encoding="utf-8")
    return folder
