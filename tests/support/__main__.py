"""Put a working copy of the fixtures into a folder: roots, plugins, repositories."""
from __future__ import annotations

import argparse
import logging
import shutil
import sys
import time
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from ovirt_node_plugin.errors import NodePluginError

from . import plugins
from .fixtures import Fixtures, copy_tree, fixtures
from .image import VERSIONS
from .isos import FORMS


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Copy the named fixtures; return the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.support", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="made if it is missing")
    parser.add_argument("--only", default="", metavar="NAME,...",
                        help=f"of: {', '.join(_names())} (default: all)")
    options = parser.parse_args(argv)
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    names = options.only.split(",") if options.only else _names()
    unknown = sorted(set(names) - set(_names()))
    if unknown:
        parser.error(f"there is no fixture {', '.join(unknown)}")
    started = time.monotonic()
    try:
        _copy_fixtures(fixtures(), options.out.absolute(), names)
    except NodePluginError as exc:
        print(f"Error: {exc}", file=sys.stderr)
        return 1
    print(f"{', '.join(names)}: in {options.out} after {time.monotonic() - started:.1f} s")
    return 0


def _names() -> List[str]:
    """Return the names that ``--only`` accepts: roots, ISOs, then plugins."""
    return [*(f"node-{version}" for version in VERSIONS), "host", *_isos(),
            *(source.label for source in plugins.sources())]


def _isos() -> Dict[str, Tuple[str, str]]:
    """Map the name of each ISO to its form and version."""
    return {f"{form}-{version}.iso": (form, version) for form in FORMS for version in VERSIONS}


def _copy_fixtures(built: Fixtures, out: Path, names: Sequence[str]) -> None:
    """Copy each wanted fixture to its place below ``out``; replace an existing copy."""
    for name in names:
        if name in _isos():
            form, version = _isos()[name]
            shutil.copy2(built.iso(form, version=version), out / name)
        elif name == "host" or name.startswith("node-"):
            shutil.rmtree(out / name, ignore_errors=True)
            copy_tree(built.folder / "roots" / name, out / name)
    for source in plugins.sources():
        if source.label in names:
            _copy_plugin(built.folder, source, out)


def _copy_plugin(folder: Path, source: plugins.Source, out: Path) -> None:
    """Copy a plugin's bundles and repositories; ``.repo`` files refer to the copies.

    The ``.repo`` files in the tars still refer to the cache.
    """
    names = [f"plugins/{source.label}"]
    names += [f"repos/{source.repo_name(repo_id)}" for repo_id in source.repo_ids]
    for name in names:
        shutil.rmtree(out / name, ignore_errors=True)
        copy_tree(folder / name, out / name)
        for path in (out / name).glob("*.repo"):
            path.write_text(path.read_text().replace(f"file://{folder}/", f"file://{out}/"))
    for form in plugins.TAR_FORMS:
        shutil.copy2(folder / "plugins" / f"{source.label}.{form}", out / "plugins")
    (out / "keys").mkdir(exist_ok=True)
    for key in (folder / "keys").glob("RPM-GPG-KEY-*"):
        shutil.copy2(key, out / "keys")


if __name__ == "__main__":
    sys.exit(main())
