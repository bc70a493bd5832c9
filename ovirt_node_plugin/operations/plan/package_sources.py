"""Files of packages that a plan shows or checks, read before they are installed."""
from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from ...errors import OutsideRoot
from ...packages.payload import read_files
from ...packages.session import PackageChange
from ...plugin.bundle import Bundle
from ...plugin.descriptor import Descriptor, When
from ...plugin.settings import CaCertificate, ConfigFile, ModuleSigningKey
from ...settings.kit.model import Context
from ...system.limits import CONFIG_FILE_BYTES, CONFIG_FILES_BYTES
from ...system.paths import resolve_inside
from ...system.regular_files import read_regular


def with_sources(contexts: Sequence[Context], active: Sequence[Bundle],
                 packages: Sequence[PackageChange], files: Mapping[str, Path]) -> List[Context]:
    """Return ``contexts`` with the contents of such files that packages have.

    ``active`` are the plugins of the contexts, in their order; ``files`` are the RPM files on
    this machine of arriving packages, by NEVRA. Files of packages that are not fetched, and
    those that are too large, are left out.
    """
    arriving = {path: change.nevra for change in packages if change.arrives
                for path in change.files}
    return [replace(context, package_files=_contents(
        [path for path in _paths(bundle.descriptor) if path in context.files], arriving, files,
        context.root)) for context, bundle in zip(contexts, active)]


def _paths(descriptor: Descriptor) -> List[str]:
    """Return the sources that settings check or show, also of settings that do not apply."""
    settings = [setting for item in descriptor.settings
                for setting in (item.settings if isinstance(item, When) else (item,))]
    return sorted({setting.source for setting in settings
                   if isinstance(setting, (CaCertificate, ConfigFile, ModuleSigningKey))})


def _contents(paths: Sequence[str], arriving: Mapping[str, str], files: Mapping[str, Path],
              root: Path) -> Dict[str, bytes]:
    contents: Dict[str, bytes] = {}
    left_bytes = CONFIG_FILES_BYTES
    for nevra in sorted({arriving[path] for path in paths if path in arriving} & files.keys()):
        for path, content in read_files(
                files[nevra], [path for path in paths if arriving.get(path) == nevra],
                max_bytes=CONFIG_FILE_BYTES):
            left_bytes -= len(content)
            if left_bytes < 0:
                return contents
            contents[path] = content
    contents.update(_installed([path for path in paths if path not in arriving], root))
    return contents


def _installed(paths: Sequence[str], root: Path) -> Iterator[Tuple[str, bytes]]:
    for path in paths:
        with contextlib.suppress(OSError, OutsideRoot):
            yield path, read_regular(resolve_inside(root, path), max_bytes=CONFIG_FILE_BYTES)
