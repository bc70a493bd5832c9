"""The order in which files of tests run."""
from __future__ import annotations

from pathlib import Path

import pytest

# The files that take longest, in order. One process runs a file, so that processes end at the
# same time only if short files run last.
LONGEST = (
    "image/merge/test_merge_iso.py",
    "image/merge/test_merge_faults.py",
    "boot/test_full_node_boot.py",
    "boot/test_live_host.py",
    "boot/test_upgrade_on_lvm.py",
    "root/operations/test_whole_tree.py",
    "root/operations/test_manifest.py",
    "cockpit/test_changes.py",
    "image/merge/test_reproducible.py",
    "image/merge/test_merge_replay.py",
    "cockpit/test_states.py",
    "cockpit/test_available.py",
    "cockpit/test_overview.py",
    "root/settings/test_full_node_settings.py",
    "root/operations/test_interrupted.py",
    "root/operations/test_main_job.py",
    "image/merge/test_merge_check.py",
    "boot/test_iso.py",
    "cockpit/test_plugin.py",
    "image/test_image_hostile.py",
    "root/operations/test_bad_input.py",
    "root/operations/plan/test_conflicts.py",
    "image/merge/test_merge.py",
    "image/merge/test_payload_forms.py",
    "image/merge/test_merge_entries.py",
    "image/merge/test_merge_rpm.py",
    "root/operations/test_full_node.py",
    "root/settings/selinux/test_selinux.py",
    "root/settings/firewall/test_firewall.py",
    "image/compare/test_image_diff.py",
    "root/operations/test_query.py",
    "root/settings/boot/test_initramfs.py",
)
TESTS = Path(__file__).resolve().parents[1]


def rank(item: pytest.Item) -> int:
    """Return the place of a test's file in the order of files."""
    path = Path(str(item.fspath)).as_posix()
    name = path[len(f"{TESTS}/"):] if path.startswith(f"{TESTS}/") else ""
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)
