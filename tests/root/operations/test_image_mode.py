"""Plugins installed in a container build, into a root in image mode."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests import support
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.image_mode import container_build, make_image_mode

pytestmark = [pytest.mark.root]

HERE = Path("/")
YES = ("-y", "--trust-keys")


def test_a_host_is_changed_in_a_container_build(host: Path, dnf: Dnf,
                                                built: support.Fixtures) -> None:
    root = make_image_mode(host)
    build = container_build(root, dnf)
    installed = succeeded(build.plugin(HERE, "install", built.bundle("cim", form="tar.zst"), *YES))
    assert "Nothing of it takes effect now: no systemd runs here" in installed.text
    assert (root / "etc/systemd/system/multi-user.target.wants/sblim-sfcb.service").is_symlink()
    assert (root / "etc/ovirt.plugins.d/cim").is_file()
    assert succeeded(build.plugin(HERE, "verify")).out == "cim 1.0: ok\n"
