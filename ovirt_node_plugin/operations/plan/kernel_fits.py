"""Which kernels of the root load the modules of plugins, before anything is installed."""
from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Mapping, Sequence

from ...errors import OutsideRoot
from ...packages.payload import read_files
from ...packages.session import PackageChange
from ...settings.kit.model import Context
from ...settings.modules.module_fits import module_fits
from ...settings.modules.module_index import MODULE
from ...system.limits import MODULE_BYTES, MODULES_BYTES
from ...system.paths import resolve_inside
from ...system.regular_files import read_regular


def with_module_fits(contexts: Sequence[Context], packages: Sequence[PackageChange],
                     files: Mapping[str, Path]) -> List[Context]:
    """Return ``contexts`` with the fits of the modules of their plugins.

    ``files`` are the RPM files on this machine of arriving packages, by NEVRA. Modules of
    packages that are not fetched are not judged.
    """
    leaving = {path for change in packages if not change.arrives for path in change.files}
    arriving = {path: change.nevra for change in packages if change.arrives
                for path in change.files if MODULE.fullmatch(path)}
    contents: Dict[str, bytes] = {}
    for nevra in sorted(set(arriving.values()) & files.keys()):
        contents.update(read_files(
            files[nevra], [path for path, owner in arriving.items() if owner == nevra],
            max_bytes=MODULES_BYTES - sum(map(len, contents.values()))))
    complete: List[Context] = []
    for context in contexts:
        modules = {path: contents[path] if path in contents else _installed(path, context.root)
                   for path in sorted(context.files) if MODULE.fullmatch(path)
                   and (path in contents or path not in arriving)}
        fits = module_fits({path: data for path, data in modules.items() if data},
                           context.root, leaving=leaving) if modules else {}
        complete.append(replace(context, modules=fits))
    return complete


def _installed(path: str, root: Path) -> bytes:
    """Return the content of a file of an installed package, empty if it cannot be read."""
    with contextlib.suppress(OSError, OutsideRoot):
        return read_regular(resolve_inside(root, path), max_bytes=MODULE_BYTES)
    return b""
