"""What ``ovirt-node-plugin diff`` found, as plain data: the form of its ``--json``.

Described in ovirt-node-plugin(8). Within a format names are only added.
"""
from __future__ import annotations

from dataclasses import asdict
from typing import List, Optional, Sequence

from ..compare.images import ImageDifferences
from ..compare.packages import PackageDifference
from ..compare.trees import Difference
from ..system.json_data import Data


def differences(found: ImageDifferences) -> Data:
    """Return all differences, one by one."""
    return {
        "old": str(found.old), "new": str(found.new), "same": found.same,
        "plugins": [asdict(one) for one in found.plugins],
        "settings": [asdict(one) for one in found.settings],
        "packages": [_package(one) for one in found.packages],
        "boot": [asdict(one) for one in found.boot],
        "form": None if found.form is None else [asdict(one) for one in found.form],
        "files": _files(found.files, start="/"),
        "around": _files(found.around),
        "notes": list(found.notes),
    }


def _package(one: PackageDifference) -> Data:
    side = one.new or one.old
    return {"name": side.name if side is not None else None, "kind": one.kind,
            "old": one.old.nevra if one.old is not None else None,
            "new": one.new.nevra if one.new is not None else None,
            "plugins": list(one.plugins)}


def _files(found: Optional[Sequence[Difference]], *, start: str = "") -> Optional[List[Data]]:
    if found is None:
        return None
    return [{"path": start + ("" if one.path == "." else one.path), "kind": one.kind,
             "details": list(one.details)} for one in found]
