"""Files of a root that would block dnf or fill its memory are refused in every command."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Dict, List

import pytest

from tests.support.dnf_runner import Dnf

pytestmark = pytest.mark.root


def fifo(path: Path) -> None:
    os.mkfifo(path)


def sparse(path: Path) -> None:
    path.write_bytes(b"")
    os.truncate(path, 12 << 30)


@pytest.mark.parametrize("make", [fifo, sparse])
@pytest.mark.parametrize("command", [["repolist"], ["node-plugin", "list"]])
def test_a_repo_file_that_dnf_could_not_read_is_refused(
        command: List[str], make: Callable[[Path], None], node: Path, dnf: Dnf) -> None:
    path = node / "etc/yum.repos.d/odd.repo"
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    answer = dnf(node, *command)
    assert answer.status != 0
    assert (f"{path} is not a regular file of at most 4194304 bytes; dnf would read it\n"
            "Find out what made it, and remove it.") in answer.text


BAD: Dict[str, Callable[[Path], None]] = {"fifo": fifo, "sparse": sparse}


@pytest.mark.parametrize("kind", BAD)
def test_a_record_that_cannot_be_read_does_not_stop_other_commands(
        kind: str, node: Path, dnf: Dnf) -> None:
    folder = node / "etc/ovirt.plugins.d"
    folder.mkdir(exist_ok=True)
    BAD[kind](folder / "odd")
    assert dnf(node, "repolist").status == 0
    answer = dnf(node, "node-plugin", "list")
    assert "odd is broken: /etc/ovirt.plugins.d/odd" in answer.text
    assert answer.status == 0


@pytest.mark.parametrize("name", ["etc/passwd", "etc/group", "etc/os-release"])
@pytest.mark.parametrize("kind", BAD)
def test_a_file_of_any_size_ends_no_query(kind: str, name: str, node: Path, dnf: Dnf) -> None:
    (node / name).unlink(missing_ok=True)
    BAD[kind](node / name)
    answer = dnf(node, "node-plugin", "list", "--json")
    assert answer.status == 0
    assert answer.json["plugins"] == []
