"""GRUB's own parser as a check: its names, and scripts that it is not asked about."""
from __future__ import annotations

from pathlib import Path
from typing import List, Sequence

import pytest

from ovirt_node_plugin.errors import CommandError
from ovirt_node_plugin.images.iso.grub_check import accepts
from ovirt_node_plugin.system.run import StrPath

pytestmark = pytest.mark.unit


def test_without_the_program_or_for_a_long_script_nothing_is_refused(tmp_path: Path) -> None:
    programs: List[str] = []

    def missing(argv: Sequence[StrPath], **options: object) -> str:
        programs.append(str(argv[0]))
        raise CommandError("it is missing", argv=programs, returncode=None)

    assert accepts("}", tmp_path, run=missing)
    assert programs == ["grub2-script-check", "grub-script-check"]
    assert accepts("}" * 100_000, tmp_path, run=missing) and len(programs) == 2
