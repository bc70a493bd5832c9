"""The squashfs in an RPM is found, whatever else the RPM contains."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.errors import BadImage
from ovirt_node_plugin.images import image
from ovirt_node_plugin.system import limits
from tests.support.calls import calls_of

pytestmark = pytest.mark.unit


def test_an_rpm_full_of_beginnings_of_a_squashfs_is_refused_soon(tmp_path: Path) -> None:
    path = tmp_path / "a.rpm"
    path.write_bytes(b"\xed\xab\xee\xdb" + b"hsqs" * 1_000_000)

    def read() -> None:
        with pytest.raises(BadImage, match="contains no uncompressed squashfs"):
            image._rpm_layout(path)

    assert calls_of(read) < 50 * limits.SUPERBLOCKS
