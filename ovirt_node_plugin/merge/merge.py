"""Merge: plugins into an image, by the code that installs them, with one write of it."""
from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..errors import Refused, UsageError
from ..images.compression import Compression
from ..images.dnf_program import Dnf, DnfFailed, for_dnf, trial_root
from ..images.draft import draft, filesystem_size
from ..images.image import FOLDER, ISO, RPM, Image, opened
from ..images.iso import IsoChanges
from ..images.workspace import Destination
from ..operations.model.answers import PlanAnswer
from ..operations.model.results import KEEP, REMOVE, PlannedSetting
from ..registry import store
from ..system.namespaces import end_others
from ..system.progress import Progress, Silent
from ..system.run import Runner
from ..system.words import first_names
from . import bundles, disk_space, iso_boot, iso_initramfs, marks, verify
from .writing import Writer

_MOST = 5  # files that a note names


@dataclass(frozen=True)
class Order:
    """What is to be merged.

    ``install`` are names and paths of plugins, ``remove`` names; ``payload`` the path of
    the squashfs in the ISO where there are several; ``size_bytes`` the least size of the
    filesystem image, 0 for its own; ``volume_id`` empty for the ISO's own.
    ``keep_bundles`` puts the bundles on the ISO, ``check`` looks at the output when it is
    done. ``called`` says what to call the source of a plugin that lies at a path of
    ``install`` for the time of the merge only. ``replayed`` are the names of the plugins of
    another image: one of them that is to be removed is left out, and need not be there.
    """

    image: Path
    install: Tuple[str, ...]
    remove: Tuple[str, ...] = ()
    payload: str = ""
    recompress: Optional[Compression] = None
    size_bytes: int = 0
    volume_id: str = ""
    keep_bundles: bool = False
    check: bool = True
    trust_keys: bool = False
    called: Mapping[str, str] = field(default_factory=dict)
    replayed: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Rehearsal:
    """What the merge would do: the plans of ``dnf node-plugin``, in the order of the steps."""

    plans: Tuple[PlanAnswer, ...]

    @property
    def needed_bytes(self) -> int:
        """The space that the packages need in the root's filesystem."""
        return sum(plan.space.needed_bytes for plan in self.plans if plan.space is not None)

    @property
    def needed_files(self) -> int:
        """The number of files in the packages that are installed."""
        return sum(package.files for plan in self.plans for package in plan.packages
                   if package.action != "remove")

    def sources(self) -> Dict[str, str]:
        """Return the source of each plugin that is installed, by its name."""
        return {plugin.name: plugin.source for plan in self.plans for plugin in plan.plugins
                if plugin.action not in (KEEP, REMOVE)}

    def settings(self) -> Iterator[PlannedSetting]:
        """Yield the settings that are applied or undone."""
        for plan in self.plans:
            for plugin in plan.plugins:
                yield from plugin.settings

    @property
    def changes(self) -> bool:
        """Whether the merge would change anything."""
        return any(plan.changes for plan in self.plans)


@dataclass(frozen=True)
class MergeResult:
    """What a merge left: the mark in the image, and ``notes``, lines for people."""

    mark: marks.Mark
    notes: Tuple[str, ...]


@dataclass(frozen=True)
class Merge:
    """One merge in progress: the order, the open image, where its work lies."""

    order: Order
    image: Image
    work: Path
    dnf: Dnf
    run: Runner
    progress: Progress = field(default_factory=Silent)

    def folder(self, name: str) -> Path:
        """Return a folder of this name in the work folder, made if it is not there."""
        path = self.work / name
        path.mkdir(exist_ok=True)
        return path


@contextlib.contextmanager
def prepared(order: Order, work: Path, *, dnf: Dnf, run: Runner,
             progress: Progress) -> Iterator[Merge]:
    """Open the image of ``order`` for a merge that works in the folder ``work``.

    Raises UsageError for an order that makes no sense, BadImage for a bad image.
    """
    _check(order)
    mounts = work / "input"
    mounts.mkdir()
    with opened(order.image, mounts, payload=order.payload, run=run) as image:
        _check_fits(order, image)
        there = store.names(image.root)
        order = dataclasses.replace(order, remove=tuple(
            name for name in order.remove if name in there or name not in order.replayed))
        yield Merge(order=order, image=image, work=work, dnf=dnf, run=run, progress=progress)


def rehearse(merge: Merge, *, show: bool) -> Rehearsal:
    """Return what the merge would do; removals are done for it, in an overlay that goes.

    ``show`` prints the plans on the terminal as dnf does. Raises what ``dnf node-plugin``
    fails with.
    """
    plans: List[PlanAnswer] = []
    steps = _steps(merge.order)
    with trial_root(merge.image, merge.folder("trial"), run=merge.run) as root:
        for number, (subcommand, names) in enumerate(steps):
            with merge.progress.step("plan", "Planning"):
                plans.append(merge.dnf.asked(root, subcommand, names, "--dry-run",
                                             answer=PlanAnswer))
            if show:
                merge.dnf.shown(root, subcommand, names, "--dry-run")
            if number + 1 < len(steps):
                merge.dnf.asked(root, subcommand, names, "-y", answer=PlanAnswer)
    return Rehearsal(tuple(plans))


def carry_out(merge: Merge, rehearsal: Rehearsal, destination: Destination, *,
              show: Optional[Tuple[str, ...]] = None) -> MergeResult:
    """Do the merge and have the output appear, whole and checked, at its ``destination``.

    Unless ``show`` is None, dnf shows on the terminal what it does, with these options
    besides. Raises RolledBack for a lack of room on the disk and for an output that is not
    as it should be.
    """
    order = merge.order
    disk_space.check(
        merge.image.layout, merge.image.root, merge.work, destination.target,
        needed_bytes=rehearsal.needed_bytes, recompressed=order.recompress is not None)
    made = draft(merge.image, merge.folder("draft"), size_bytes=wanted_size(merge, rehearsal),
                 run=merge.run, progress=merge.progress)
    digest = marks.digest_of(order.image, merge.progress)
    ready = iso_boot.read(merge.image, merge.folder("boot"), run=merge.run)
    with made.changing() as root:
        with for_dnf(root, merge.work / "cache", run=merge.run):
            _change(merge, root, show)
            end_others()  # what scriptlets left is not to change what is read now
        ready = ready.for_root(root, volume_id=order.volume_id)
        early = iso_initramfs.initramfs_changes(
            merge.image, root, ready, merge.folder("initramfs"), run=merge.run,
            progress=merge.progress)
        changed = _changes(rehearsal)
        kept = bundles.bundle_changes(
            merge.image, root, merge.folder("bundles"), run=merge.run,
            installed=rehearsal.sources() if order.keep_bundles else None)
        _call_sources(root, order.called)
        mark = marks.new_mark(order.image, digest, _plugins(root), changed, ready.originals)
        marks.write_to_root(root, mark)
        expected = verify.Expected(
            image=merge.image, root=verify.root_changes(merge.image, root) if order.check else {},
            changes=IsoChanges(), recompress=order.recompress, boot=ready.texts)
        others = verify.unclaimed_paths(expected, root)
    note = merge.work / "mark.json"
    note.write_text(marks.text(mark), encoding="utf-8")
    changes = IsoChanges({**early.files, **kept.files, marks.ON_ISO: note},
                         (*early.removed, *kept.removed), order.volume_id)
    writer = Writer(image=merge.image, draft=made, work=merge.folder("written"), run=merge.run,
                    progress=merge.progress, recompress=order.recompress)
    changes = writer.write(destination.target, changes, ready)
    if order.check:
        verify.check(dataclasses.replace(expected, changes=changes), destination.target,
                       merge.folder("check"), dnf=merge.dnf, run=merge.run,
                       progress=merge.progress)
    destination.place()
    return MergeResult(mark, (*kept.notes, *early.notes, *_told(others)))


def _check(order: Order) -> None:
    if not order.install and not order.remove:
        raise UsageError("there is nothing to merge",
                         hint="Name plugins, or give --remove NAME or --plugins-from IMAGE.")
    both = sorted(set(order.install) & set(order.remove))
    if both:
        raise UsageError(f"{', '.join(both)} cannot be both removed and installed",
                         hint="A newer version of a plugin takes the place of the older one.")


def _check_fits(order: Order, image: Image) -> None:
    kind = image.layout.kind
    if kind == RPM:
        raise UsageError(f"{order.image} is an RPM, which can only be looked at",
                         hint="Merge into the ISO, or into the squashfs that the RPM holds.")
    if kind == FOLDER and order.recompress is not None:
        raise UsageError(f"{order.image} is a folder: nothing in it is compressed",
                         hint="Leave --recompress out.")
    if kind != ISO and (order.volume_id or order.keep_bundles):
        raise UsageError(f"{order.image} is no ISO: it has no volume id and keeps no bundles",
                         hint="Leave --volid and --keep-bundles out.")


def _steps(order: Order) -> List[Tuple[str, Tuple[str, ...]]]:
    steps = (("remove", order.remove), ("install", order.install))
    return [(subcommand, names) for subcommand, names in steps if names]


def strangers(rehearsal: Rehearsal, *, trust_keys: bool) -> Optional[Refused]:
    """Return why dnf would not trust the signatures, None if it would."""
    untrusted = [signature for plan in rehearsal.plans for signature in plan.signatures
                 if signature.checked and not signature.owner
                 and not (trust_keys and signature.key)]
    if not untrusted:
        return None
    lines = [f"{signature.key or 'no key at all'}: {', '.join(signature.packages)}"
             for signature in untrusted]
    return Refused(
        "\n  ".join(["packages are signed by keys that the image does not trust:", *lines]),
        hint="Compare the keys with what their vendors publish, then add --trust-keys; what has"
             " no signature goes in by --nogpgcheck only.")


def _change(merge: Merge, root: Path, show: Optional[Tuple[str, ...]]) -> None:
    for subcommand, names in _steps(merge.order):
        own = ("--trust-keys",) if subcommand == "install" and merge.order.trust_keys else ()
        if show is None:
            with merge.progress.step(subcommand, "Changing the root"):
                merge.dnf.asked(root, subcommand, names, "-y", *own, answer=PlanAnswer)
        else:
            merge.dnf.shown(root, subcommand, names, "-y", *own, *show)


def _call_sources(root: Path, called: Mapping[str, str]) -> None:
    """Have records name a source that outlives the merge."""
    for record in store.read_registry(root).records.values():
        if record.source in called:
            store.save(root, dataclasses.replace(record, source=called[record.source]),
                          store.read_undo_data(root, record.name))


def _told(others: Sequence[str]) -> Tuple[str, ...]:
    """Return a note on files that no plugin claims, if there are any."""
    if not others:
        return ()
    paths = first_names([f"/{path}" for path in others], _MOST)
    return (f"The transaction also changed {paths}: triggers of the image's own packages do so.",)


def _plugins(root: Path) -> Tuple[marks.Plugin, ...]:
    found = store.read_registry(root)
    if found.damaged:
        raise Refused(f"the root's registry is damaged: {', '.join(sorted(found.damaged))}",
                      hint="Mend it in the image first: dnf node-plugin verify says what is"
                           " wrong.")
    return tuple(marks.Plugin(record.name, record.version, record.vendor,
                              record.source.rpartition("/")[2])
                 for _, record in sorted(found.records.items()))


def _changes(rehearsal: Rehearsal) -> Tuple[marks.Changed, ...]:
    return tuple(marks.Changed(plugin.action, plugin.name, plugin.version or plugin.old_version)
                 for plan in rehearsal.plans for plugin in plan.plugins
                 if plugin.action != KEEP)


def failures_alone(merge: Merge, words: Sequence[str]) -> Dict[str, DnfFailed]:
    """Return why each of ``words`` cannot be installed, by itself and beside those that can."""
    failures: Dict[str, DnfFailed] = {}
    with trial_root(merge.image, merge.folder("single"), run=merge.run) as root:
        if merge.order.remove:
            merge.dnf.asked(root, "remove", merge.order.remove, "-y", answer=PlanAnswer)
        for word in words:
            failure = _failure(merge, root, (word,))
            if failure is not None:
                failures[word] = failure
        fitting = [word for word in words if word not in failures]
        for word in list(failures) if fitting else ():
            if _failure(merge, root, (*fitting, word)) is None:
                del failures[word]
    return failures


def _failure(merge: Merge, root: Path, words: Tuple[str, ...]) -> Optional[DnfFailed]:
    try:
        merge.dnf.asked(root, "install", words, "--dry-run", answer=PlanAnswer)
    except DnfFailed as exc:
        return exc
    return None


def wanted_size(merge: Merge, rehearsal: Rehearsal) -> int:
    """Return the size that the filesystem image is to have, in bytes, 0 for its own.

    Raises UsageError where a size is given for what has none, or a smaller one than it has.
    """
    return filesystem_size(merge.image, needed_bytes=rehearsal.needed_bytes,
                           needed_files=rehearsal.needed_files, size_bytes=merge.order.size_bytes)
