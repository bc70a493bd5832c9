"""The paths that a transaction takes away."""
from __future__ import annotations

from typing import List, Sequence

from ...packages.session import PackageChange


def paths_gone(packages: Sequence[PackageChange]) -> List[str]:
    """Return the paths of what goes and does not come with another package."""
    there = {path for one in packages if one.action != "remove" for path in one.files}
    return [path for one in packages if one.action == "remove" for path in one.files
            if path not in there]
