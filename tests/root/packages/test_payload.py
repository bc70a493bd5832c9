"""Files in the payload of packages are read before these are installed."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.errors import NodePluginError
from ovirt_node_plugin.packages.payload import read_files
from tests.support.adhoc import quick_rpm

CONTENT = bytes(range(256)) * 40


def test_only_the_named_files_are_read_and_no_large_ones(tmp_path: Path) -> None:
    rpm = quick_rpm("payload", "1", files={"/opt/a": CONTENT, "/opt/b": "text", "/opt/dir/": ""})
    wanted = ["/opt/a", "/opt/dir", "/opt/none"]
    assert dict(read_files(rpm, wanted, max_bytes=len(CONTENT))) == {"/opt/a": CONTENT}
    assert dict(read_files(rpm, wanted, max_bytes=len(CONTENT) - 1)) == {}


def test_a_damaged_payload_is_refused_with_the_name_of_the_file(tmp_path: Path) -> None:
    data = quick_rpm("payload", "1", files={"/opt/a": CONTENT, "/opt/b": "text",
                                            "/opt/dir/": ""}).read_bytes()
    damaged = tmp_path / "damaged.rpm"
    damaged.write_bytes(data[:-200])
    with pytest.raises(NodePluginError, match="the payload of .*damaged.rpm cannot be read"):
        dict(read_files(damaged, ["/opt/a", "/opt/b"], max_bytes=1 << 20))
