"""Builds and installs the library; the Makefile puts everything else in its place."""
from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def version() -> str:
    """Return ``__version__`` of the library without importing it."""
    text = (HERE / "ovirt_node_plugin" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise SystemExit("ovirt_node_plugin/__init__.py has no __version__")
    return found.group(1)


setup(
    name="ovirt-node-plugin",
    version=version(),
    description="Plugins for oVirt Node images and RHEL hosts, installed by DNF",
    license="GPL-2.0-or-later",
    python_requires=">=3.9",
    packages=find_packages(include=["ovirt_node_plugin", "ovirt_node_plugin.*"]),
    package_data={"ovirt_node_plugin": ["schema/*.rng", "schema/*.json",
                                         "settings/config_files/*.conf"]},
)
