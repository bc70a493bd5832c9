"""Which kernels of the root load the modules of plugins, before anything is installed."""
from __future__ import annotations

import contextlib
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Iterator, List, Mapping, Sequence, Tuple

from ...errors import OutsideRoot
from ...packages.payload import read_files
from ...packages.session import PackageChange
from ...settings.kit.model import Context
from ...settings.modules.module_file import read_modules
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
    complete: List[Context] = []
    for context in contexts:
        paths = sorted(path for path in context.files if MODULE.fullmatch(path))
        modules = read_modules(chain(
            _contents({path: arriving[path] for path in paths if path in arriving}, files),
            _installed([path for path in paths if path not in arriving], context.root)))
        fits = module_fits(modules, context.root, leaving=leaving) if modules else {}
        complete.append(replace(context, modules=fits))
    return complete


def _contents(owners: Mapping[str, str], files: Mapping[str, Path]) -> Iterator[Tuple[str, bytes]]:
    """Yield path and content of modules in arriving packages; ``owners`` are their NEVRAs."""
    left_bytes = MODULES_BYTES
    for nevra in sorted(set(owners.values()) & files.keys()):
        for path, content in read_files(
                files[nevra], [path for path, owner in owners.items() if owner == nevra],
                max_bytes=MODULE_BYTES):
            left_bytes -= len(content)
            if left_bytes < 0:
                return
            yield path, content


def _installed(paths: Sequence[str], root: Path) -> Iterator[Tuple[str, bytes]]:
    """Yield path and content of modules of installed packages, as far as they can be read."""
    for path in paths:
        with contextlib.suppress(OSError, OutsideRoot):
            yield path, read_regular(resolve_inside(root, path), max_bytes=MODULE_BYTES)
