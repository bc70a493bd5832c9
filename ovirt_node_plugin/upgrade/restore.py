"""Install plugins into the new layer of a Node that was upgraded to an image without them.

It is the ordinary ``dnf node-plugin install`` with the layer as its root, as a program, with all
other DNF plugins disabled: imgbased-persist would copy the packages to this machine's /var. The
running /var is not mounted in the layer, so the journal of the install is in the layer's own.
What imgbased copied of the plugins from the running layer's /etc is reconciled before, as at boot.
"""
from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from ..errors import NodePluginError, Refused
from ..images.dnf_program import Dnf, for_dnf
from ..merge.root.labels import set_labels
from ..merge.verify import claimed_paths
from ..operations.model.answers import PlanAnswer, VerifyAnswer
from ..operations.model.results import LEFT, Signature
from ..plugin.bundle import opened
from ..plugin.library import Library
from ..registry import store
from ..registry.places import has_factory
from ..registry.record import Record
from ..settings.boot import argument_text, command_line
from ..settings.boot.initramfs_images import images
from ..system.entries import read_entry, write_atomic, write_entry
from ..system.path_sets import FACTORY
from ..system.paths import resolve_inside
from ..system.rpm_version import compare
from ..system.run import Runner
from .layers import Layer, entries_of

_ENTRIES = "loader/entries"
_BY_VERSION = functools.cmp_to_key(compare)
_ENCODING = "latin-1"  # keeps all bytes unchanged
# What tells whether a file was written again: its inode, size and time
_Identity = Tuple[int, int, int]


class Offer(NamedTuple):
    """A bundle of a plugin: the version in its descriptor, and its path."""

    version: str
    path: Path


def restore(layer: Layer, root: Path, lost: Sequence[Record], *, running: Path, library: Library,
            dnf: Dnf, boot: Path, work: Path) -> Tuple[str, ...]:
    """Install the plugins ``lost`` into ``layer``, which is mounted at ``root`` to be written.

    ``running`` is the root that has their records, ``boot`` is this machine's /boot, ``work`` a
    folder for new folders ``cache`` and ``labels``.
    Returns notes for people. Raises Refused for plugins that cannot be restored, with the reason
    for each, and the errors of the install.
    """
    bundles, problems = bundles_of(lost, library, dnf.run)
    _raise(problems)
    with for_dnf(root, work / "cache", run=dnf.run):
        reconciled = dnf.run_json(root, "verify", (), "--reconcile", answer=VerifyAnswer)
        words = [str(offer.path) for offer in bundles.values()]
        values = kept_values(lost, running)
        with _set_aside(root, [made.path for made in reconciled.corrections
                               if made.action == LEFT]):
            plan = dnf.run_json(root, "install", words, "--dry-run", *values, answer=PlanAnswer)
            _raise(other_origins(plan, lost))
            before = _initramfs(root)
            dnf.run_json(root, "install", words, "-y", *values,
                         *_trusted(plan.signatures, lost), answer=PlanAnswer)
    notes = _label(root, work / "labels", dnf.run)
    _copy_initramfs(layer, root, before, boot)
    _write_arguments(layer, root, [record.name for record in lost], boot)
    return notes


def kept_values(lost: Iterable[Record], root: Path) -> List[str]:
    """Return the option of an install that keeps the values of the plugins ``lost`` of ``root``."""
    return [f"--accounts-from={root}"] if any(record.parameters for record in lost) else []


@contextlib.contextmanager
def _set_aside(root: Path, paths: Iterable[str]) -> Iterator[None]:
    """Keep files in /etc that the image lacks out of ``root`` until the ``with`` block has ended.

    ``paths`` are absolute: what plugins made and the administrator changed since. An install
    refuses such a file, or takes it for one that was there before. If the block raises an error,
    they are lost with the layer.
    """
    entries = {}
    for name in (path.lstrip("/") for path in paths if has_factory(root)):
        if (resolve_inside(root, name, follow_last=False) == root / name
                and not os.path.lexists(root / FACTORY / name)):
            entry = read_entry(root, name)
            if entry is not None and entry.kind in ("file", "link"):
                entries[name] = entry
                write_entry(root, name, None)
    yield
    for name, entry in entries.items():
        write_entry(root, name, entry)


def _label(root: Path, work: Path, run: Runner) -> Tuple[str, ...]:
    """Label the files of plugins in ``root``, if it has a SELinux policy; return a note on a fault.

    imgbased has labelled some folders of the layer before (osupdater.py, _relabel_selinux), and
    a new file inherits the type of its folder. ``work`` is a new folder.
    """
    work.mkdir()
    paths = [path for path in sorted(claimed_paths(root)) if os.path.lexists(root / path)]
    labels = set_labels(root, paths, work, run=run)
    return (labels.note,) if labels is not None and labels.failure else ()


def _raise(problems: Mapping[str, str]) -> None:
    if problems:
        raise Refused("\n  ".join(["plugins cannot be restored:", *(
            f"{name}: {problem}" for name, problem in sorted(problems.items()))]),
            hint="Put their bundles into the library: dnf node-plugin add BUNDLE")


def bundles_of(lost: Iterable[Record], library: Library,
               run: Runner) -> Tuple[Dict[str, Offer], Dict[str, str]]:
    """Return the bundle of each plugin, and why others have none, by the names of the plugins.

    It is one of the recorded version, from the library or the place that the record names; else
    the newest of the library.
    """
    bundles, problems = {}, {}
    for record in lost:
        offers = list(_offers(record, library, run))
        exact = [offer for offer in offers if offer.version == record.version]
        newer = [offer for offer in offers if compare(offer.version, record.version) > 0]
        if exact:
            bundles[record.name] = exact[0]
        elif newer:
            bundles[record.name] = max(newer, key=lambda offer: _BY_VERSION(offer.version))
        else:
            there = ", ".join(offer.version for offer in offers)
            problems[record.name] = (
                f"there is no bundle of version {record.version} or newer in the library"
                + (f", which has {there}" if there else "")
                + (f", nor at {record.source}" if os.path.isabs(record.source) else ""))
    return bundles, problems


def _offers(record: Record, library: Library, run: Runner) -> Iterator[Offer]:
    """Yield each readable bundle of a plugin."""
    for entry in library.versions(record.name):
        if entry.descriptor is not None:
            yield Offer(entry.descriptor.version, entry.path)
    if os.path.isabs(record.source):
        with contextlib.suppress(NodePluginError, OSError), opened(
                Path(record.source), run=run) as bundle:
            if bundle.descriptor.name == record.name:
                yield Offer(bundle.descriptor.version, Path(record.source))


def other_origins(plan: PlanAnswer, lost: Iterable[Record]) -> Dict[str, str]:
    """Return the plugins that another vendor would replace, with the reason.

    A bundle may come from another place, but has to have the recorded keys, or without keys the
    recorded vendor.
    """
    records, problems = {record.name: record for record in lost}, {}
    for plugin in plan.plugins:
        record = records.get(plugin.name)
        if record is not None and plugin.origin is not None:
            there = dataclasses.replace(plugin.origin, location=record.origin.location)
            if not record.accepts_origin(there, record.source):
                problems[plugin.name] = (f"{plugin.source} is by {there.text()}, and"
                                         f" {record.version} is by {record.origin.text()}")
    return problems


def _trusted(signatures: Iterable[Signature], lost: Iterable[Record]) -> List[str]:
    """Return the options that trust the keys by which the installed packages were checked."""
    checked = {package.signer for record in lost for package in record.packages
               if package.checked}
    return [f"--trust-key={signature.fingerprint}" for signature in signatures
            if not signature.owner and signature.fingerprint and signature.key in checked]


def _initramfs(root: Path) -> Dict[str, _Identity]:
    """Return each initramfs in the layer's own /boot by its path relative to ``root``."""
    return {place: _identity(root / place) for places in images(root).values()
            for place in places if place.startswith("boot/")}


def _identity(path: Path) -> _Identity:
    info = path.stat()
    return info.st_ino, info.st_size, info.st_mtime_ns


def _copy_initramfs(layer: Layer, root: Path, before: Mapping[str, _Identity],
                    boot: Path) -> None:
    """Copy each initramfs that was built again to the folder from which the layer boots.

    imgbased copies that of its own build there (bootsetup.py, _install_kernel), and the
    layer's own /boot is hidden once it runs.
    """
    for place, identity in _initramfs(root).items():
        target = boot / layer.name / os.path.basename(place)
        if identity != before.get(place) and target.exists():
            with open(root / place, "rb") as reader:
                write_atomic(target, reader, mode=target.stat().st_mode & 0o7777)


def _write_arguments(layer: Layer, root: Path, names: Iterable[str], boot: Path) -> None:
    """Write the kernel arguments of the plugins ``names`` to the boot entries of ``layer``.

    Raises Refused if there are arguments and no entry: the layer would boot without them.
    """
    arguments = [argument_text.decode(applied.value) for name in names
                 for applied in store.read_record(root, name).settings
                 if applied.kind == "kernel-argument"]
    if not arguments:
        return
    entries = entries_of(layer, boot / _ENTRIES)
    if not entries:
        raise Refused(f"no entry in {boot / _ENTRIES} boots {layer.name}, and plugins need kernel"
                      f" arguments: {' '.join(argument.word for argument in arguments)}",
                      hint="Compare: grubby --info=ALL")
    syntax = command_line.syntax_of(Path("/"))
    for entry in entries:
        text = entry.read_text(encoding=_ENCODING)
        new = argument_text.edited(text, arguments, entry=True, syntax=syntax)
        if new != text:
            write_atomic(entry, new.encode(_ENCODING), mode=entry.stat().st_mode & 0o7777)
