"""Which kernels of a root load the modules of a plugin, by the rule of weak-modules.

A kernel loads the modules in its own module tree. It also loads one that was built for another
kernel, through a link in the folder weak-updates of its tree, if it exports all symbols that the
module needs, with the same checksums.
"""
from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Collection, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple, Union

from ...errors import OutsideRoot
from ...system.paths import resolve_inside
from ..kit.model import ModuleFit
from . import module_trees
from .kernel_symbols import Symbols, exported_symbols
from .module_file import BadModule, ModuleFile
from .module_index import MODULE, WEAK_LINKS, module_name


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
    brought = _brought(modules)
    gone = _places(leaving, root)
    preferred = {version: _preferred(tree, root, gone)
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
                    name = module_name(path.lstrip("/"))
                    problem = (brought.get((kernel, name)) or preferred[kernel].get(name)
                               or _occupied(path, tree, root, gone))
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


def _brought(paths: Iterable[str]) -> Dict[Tuple[str, str], str]:
    """Return why no link is needed, by kernel and name of the modules ``paths`` of a plugin.

    A module that was built for the kernel is one of them.
    """
    reasons: Dict[Tuple[str, str], str] = {}
    for path in paths:
        reasons.setdefault((_built_for(path), module_name(path.lstrip("/"))), f"it loads {path}")
    return reasons


def _places(leaving: Collection[str], root: Path) -> Set[Path]:
    """Return the places of modules among ``leaving`` in ``root``, with resolved parents."""
    places: Set[Path] = set()
    for path in filter(MODULE.fullmatch, leaving):
        with contextlib.suppress(OutsideRoot):
            places.add(resolve_inside(root, path, follow_last=False))
    return places


def _preferred(tree: str, root: Path, gone: Collection[Path]) -> Dict[str, str]:
    """Return why a link would have no effect, by the name of a module.

    The kernel has a module of this name in another folder of its module tree, which depmod.d(5)
    searches before weak-updates, and it is not among those that are ``gone`` after the change.
    Its own modules do not count: an override in depmod.d may prefer the link to them.
    """
    reasons: Dict[str, str] = {}
    for folder in sorted({*module_trees.added(root / tree)} - {WEAK_LINKS},
                         key=lambda name: (name != "updates", name)):
        with contextlib.suppress(OutsideRoot):
            for above, _, files in os.walk(resolve_inside(root, f"{tree}/{folder}")):
                for file in files:
                    if Path(above, file) not in gone:
                        name = module_name(f"{tree}/{file}")
                        reasons.setdefault(name, f"it has a module {name} in {folder} already")
    return reasons


def _occupied(path: str, tree: str, root: Path, gone: Collection[Path]) -> str:
    """Return why there is no place for a link to the module ``path`` in a module tree."""
    place = link_place(path, tree)
    where = resolve_inside(root, place, follow_last=False)
    if os.path.lexists(where) and not _replaceable(where, path, root, gone):
        return f"/{place} is there already"
    return ""


def _replaceable(where: Path, path: str, root: Path, gone: Collection[Path]) -> bool:
    """Return whether the entry ``where`` is a link to the module ``path``, or to none."""
    if not where.is_symlink():
        return False
    target = resolve_inside(root, where.relative_to(root).as_posix())
    return target == resolve_inside(root, path) or target in gone or not target.exists()


def link_paths(fits: Mapping[str, ModuleFit], root: Path) -> Iterator[Tuple[str, str]]:
    """Yield the place of each link, relative to ``root``, and its target."""
    trees = module_trees.kernels(root)
    for path, fit in fits.items():
        for kernel in fit.links:
            yield link_place(path, trees[kernel]), path
