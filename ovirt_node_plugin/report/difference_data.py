"""The differences between two images as plain data, for ``ovirt-node-plugin diff --json``.

The format is described in ovirt-node-plugin(8). Within a format, names are only added.
"""
from __future__ import annotations

from dataclasses import asdict
from typing import List, Optional, Sequence

from ..compare.images import ImageDifferences
from ..compare.packages import PackageDifference
from ..compare.trees import Difference
from ..system.json_data import Data


def differences(result: ImageDifferences) -> Data:
    """Return every difference."""
    return {
        "old": str(result.old), "new": str(result.new), "same": result.same,
        "plugins": list(map(asdict, result.plugins)),
        "settings": list(map(asdict, result.settings)),
        "packages": list(map(_package, result.packages)),
        "boot": list(map(asdict, result.boot)),
        "form": None if result.form is None else list(map(asdict, result.form)),
        "files": _files(result.files, start="/"),
        "around": _files(result.around),
        "notes": list(result.notes),
    }


def _package(package: PackageDifference) -> Data:
    old, new = package.old, package.new
    present = new or old
    return {"name": present.name if present is not None else None, "kind": package.kind,
            "old": old.nevra if old is not None else None,
            "new": new.nevra if new is not None else None,
            "plugins": list(package.plugins)}


def _files(files: Optional[Sequence[Difference]], *, start: str = "") -> Optional[List[Data]]:
    """Return the differences of files. ``start`` is put before their paths."""
    if files is None:
        return None
    return [{"path": start + ("" if file.path == "." else file.path), "kind": file.kind,
             "details": list(file.details)} for file in files]
