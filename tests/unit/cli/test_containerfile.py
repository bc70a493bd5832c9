"""The lines of a Containerfile for a command that a deployed system refuses."""
from __future__ import annotations

from typing import List, Sequence

import pytest

from ovirt_node_plugin.cli import containerfile

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("words, files, expected", [
    (["node-plugin", "install", "cim"], [], ["RUN dnf -y node-plugin install cim"]),
    (["-y", "--installroot=/", "node-plugin", "install", "a/cim.tar.zst", "--trust-keys", "--json"],
     ["a/cim.tar.zst"],
     ["COPY cim.tar.zst /tmp/cim.tar.zst",
      "RUN dnf -y node-plugin install /tmp/cim.tar.zst --trust-keys"]),
    (["node-plugin", "install", "./cim/", "snmp", "--trust-key=k/RPM-KEY", "--repo-file", "r.repo"],
     ["./cim/", "k/RPM-KEY", "r.repo"],
     ["COPY cim /tmp/cim", "COPY RPM-KEY /tmp/RPM-KEY", "COPY r.repo /tmp/r.repo",
      "RUN dnf -y node-plugin install /tmp/cim snmp --trust-key=/tmp/RPM-KEY --repo-file"
      " /tmp/r.repo"]),
    (["--installroot", "/", "node-plugin", "install", "a/cim.tar", "/b/cim.tar", "a/cim.tar"],
     ["a/cim.tar", "/b/cim.tar", "a/cim.tar"],
     ["COPY cim.tar /tmp/cim.tar", "COPY b-cim.tar /tmp/b-cim.tar",
      "RUN dnf -y node-plugin install /tmp/cim.tar /tmp/b-cim.tar /tmp/cim.tar"]),
    (["node-plugin", "install", "cim", "--set", "cim.key=@/root/key", "--set=cim.b=@/c", "--set",
      "cim.server=::1"], [],
     ["RUN --mount=type=secret,id=cim.key,target=/root/key --mount=type=secret,id=cim.b,target=/c"
      " dnf -y node-plugin install cim --set cim.key=@/root/key --set=cim.b=@/c --set"
      " cim.server=::1"]),
    (["node-plugin", "remove", "--dry-run", "ci*"], [], ["RUN dnf -y node-plugin remove 'ci*'"]),
    (["node-plugin", "install", "/x/a b;c.tar"], ["/x/a b;c.tar"],
     ['COPY ["a b;c.tar", "/tmp/a b;c.tar"]', "RUN dnf -y node-plugin install '/tmp/a b;c.tar'"])])
def test_the_lines_do_what_the_command_would_do(words: Sequence[str], files: Sequence[str],
                                                expected: List[str]) -> None:
    assert containerfile.lines(words, files=files) == expected
