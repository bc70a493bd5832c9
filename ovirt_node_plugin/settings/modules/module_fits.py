"""Which kernels of a root load the modules of a plugin, by the rule of weak-modules.

A kernel loads the modules in its own module tree. It also loads one that was built for another
kernel, through a link in the folder weak-updates of its tree, if it exports all symbols that the
module needs, with the same checksums.
"""
from __future__ import annotations

import os
from pathlib import Path
from typing import Collection, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union

from ...system.paths import resolve_inside
from ..kit.model import ModuleFit
from . import module_trees
from .kernel_symbols import Symbols, exported_symbols
from .module_file import BadModule, ModuleFile
from .module_index import MODULE, WEAK_LINKS, module_name

# The folders in which a kernel finds a module before that in weak-updates; depmod.d(5).
_PREFERRED = ("updates", "extra")


def module_fits(modules: Mapping[str, Union[ModuleFile, BadModule]], root: Path, *,
                leaving: Collection[str]) -> Dict[str, ModuleFit]:
    """Return the fit of each of ``modules``, by its absolute path in a package.

    ``leaving`` are the absolute paths of files that are removed.
    """
    kernels = module_trees.kernels(root)
    fits: Dict[str, ModuleFit] = {}
    groups: Dict[str, Dict[str, ModuleFile]] = {}
    for path, module in modules.items():
        if isinstance(module, BadModule):
            fits[path] = ModuleFit(reasons={kernel: str(module) for kernel in kernels})
        else:
            groups.setdefault(_built_for(path), {})[path] = module
    symbols = {version: exported_symbols(version, tree, root)
               for version, tree in kernels.items()} if groups else {}
    for version, group in groups.items():
        together = {name: None for module in group.values() for name in module.exports}
        for path, module in group.items():
            own: List[str] = []
            links: List[str] = []
            reasons: Dict[str, str] = {}
            for kernel, tree in kernels.items():
                known = symbols[kernel]
                problem = next(_problems(module, kernel, known, together, own=kernel == version),
                               "")
                if kernel != version and not problem:
                    problem = (_brought(path, kernel, modules)
                               or _occupied(path, tree, root, leaving))
                if problem:
                    reasons[kernel] = problem
                else:
                    (own if kernel == version else links).append(kernel)
            fits[path] = ModuleFit(tuple(own), tuple(links), reasons)
    return fits


def link_place(path: str, tree: str) -> str:
    """Return where the link to the module ``path`` is in a module tree, relative to the root."""
    below = path.partition(f"/{_built_for(path)}/")[2]
    return f"{tree}/{WEAK_LINKS}/{below.partition('/')[2] or below}"


def _built_for(path: str) -> str:
    match = MODULE.fullmatch(path)
    return match.group(1) if match else ""


def _problems(module: ModuleFile, kernel: str, known: Optional[Symbols],
              together: Symbols, *, own: bool) -> Iterator[str]:
    """Yield why ``kernel``, which exports the symbols ``known``, does not load ``module``.

    ``together`` are the symbols of modules that come with it; ``own`` is whether it is in the
    kernel's own module tree.
    """
    built_for = module.vermagic.partition(" ")[0]
    if own and built_for != kernel and not module.versioned:
        yield f"it was built for {built_for or 'an unknown kernel'}"
    if known is None:
        if not own:
            yield "the root has no list of the symbols of that kernel"
        return
    for symbol, checksum in module.needs.items():
        if symbol in together:
            continue
        if symbol not in known:
            if symbol != "module_layout":
                yield f"it needs the unknown symbol {symbol}"
        elif None not in (checksum, known[symbol]) and checksum != known[symbol]:
            yield f"it needs another version of the symbol {symbol}"


def _brought(path: str, kernel: str, others: Iterable[str]) -> str:
    """Return why no link is needed: one of ``others`` is the module built for ``kernel``."""
    name = module_name(path.lstrip("/"))
    return next((f"it loads {other}" for other in others if _built_for(other) == kernel
                 and module_name(other.lstrip("/")) == name), "")


def _occupied(path: str, tree: str, root: Path, leaving: Collection[str]) -> str:
    """Return why there is no place for a link to the module ``path`` in a module tree."""
    name = module_name(path.lstrip("/"))
    for folder in _PREFERRED:
        for above, _, names in os.walk(root / tree / folder):
            relative = Path(above).relative_to(root).as_posix()
            if any(module_name(f"{relative}/{other}") == name
                   and f"/{relative}/{other}" not in leaving for other in names):
                return f"it has a module {name} in {folder} already"
    place = link_place(path, tree)
    if os.path.lexists(root / place) and not _replaceable(place, path, root, leaving):
        return f"/{place} is there already"
    return ""


def _replaceable(place: str, path: str, root: Path, leaving: Collection[str]) -> bool:
    """Return whether the entry at ``place`` is a link to the module ``path``, or to none."""
    if not os.path.islink(root / place):
        return False
    target = resolve_inside(root, place)
    places = [resolve_inside(root, file) for file in (path, *leaving) if file.endswith(target.name)]
    return target in places or not target.exists()


def link_paths(fits: Mapping[str, ModuleFit], root: Path) -> Iterator[Tuple[str, str]]:
    """Yield the place of each link, relative to ``root``, and its target."""
    trees = module_trees.kernels(root)
    for path, fit in fits.items():
        for kernel in fit.links:
            yield link_place(path, trees[kernel]), path
