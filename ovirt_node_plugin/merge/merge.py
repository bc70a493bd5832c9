"""Merge plugins into an image: plan, change the root, write the new image and verify it.

``dnf node-plugin`` changes the root, as it does on a host.
"""
from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from ..compare.trees import Difference
from ..errors import Refused, UsageError
from ..images.digests import SHA256
from ..images.dnf_program import Dnf, DnfFailed, for_dnf, trial_root
from ..images.draft import check_size, draft, free_bytes
from ..images.image import FOLDER, ISO, Image, opened
from ..images.iso.iso import IsoChanges
from ..operations.model.answers import PlanAnswer
from ..operations.model.next_steps import merge_command
from ..operations.model.results import KEEP
from ..registry import store
from ..system.namespaces import end_others
from ..system.progress import Progress
from ..system.run import Runner
from ..system.words import first_names
from . import verify
from .input.named_checksums import check_image
from .iso import bundles, iso_boot, iso_initramfs
from .model import Merge, MergeResult, Order, Rehearsal, wanted_size
from .root import leftovers, marks, reproducible, site_release
from .root.labels import Labels, can_store, paths_to_label, policy_of, set_labels
from .trust import changed_origins
from .writing import Writer, require_writable

SAVED = "saved"  # the folder of bundles that dnf writes of plugins from repositories
_MARK_FILE = "mark.json"  # for the ISO, in the work folder
_MOST_PATHS = 5  # that a note names


@contextlib.contextmanager
def prepared(order: Order, work: Path, *, dnf: Dnf, run: Runner,
             progress: Progress) -> Iterator[Merge]:
    """Check the image of ``order``, then open it for a merge with the work folder ``work``.

    Raises UsageError for an invalid order, BadImage for a damaged image, and Refused for one that
    cannot be written again.
    """
    _check(order)
    checked = check_image(order.image, order.checksums, run=run, progress=progress,
                          algorithms=(SHA256,))
    checked.digests.require_undamaged()
    mounts = work / "input"
    mounts.mkdir()
    with opened(order.image, mounts, payload=order.payload, run=run) as image:
        _check_fits(order, image)
        package = site_release.new_rpm(image, order.site_tag, order.sign_key)
        require_writable(image, package, work, run=run)
        installed = store.names(image.root)
        order = dataclasses.replace(order, remove=tuple(
            name for name in order.remove if name in installed or name not in order.replayed))
        yield Merge(order=order, image=image, checked=checked, work=work, dnf=dnf, run=run,
                    progress=progress, package=package)


def rehearse(merge: Merge) -> Rehearsal:
    """Plan the merge in a temporary overlay, in which plugins are really removed.

    Raises DnfFailed if ``dnf node-plugin`` fails.
    """
    plans: List[PlanAnswer] = []
    steps = _steps(merge.order)
    with trial_root(merge.image, merge.folder("trial"), run=merge.run) as root:
        for number, (subcommand, names) in enumerate(steps):
            own = merge.order.options(subcommand)
            with merge.progress.step("plan", "Planning"):
                plans.append(_of_image(merge.image, merge.dnf.run_json(
                    root, subcommand, names, "--dry-run", *own, answer=PlanAnswer)))
            if number + 1 < len(steps):
                merge.dnf.run_json(root, subcommand, names, "-y", *own, answer=PlanAnswer)
    return Rehearsal(tuple(plans))


def carry_out(merge: Merge, rehearsal: Rehearsal, output: Path) -> MergeResult:
    """Merge, and write the verified new file or folder ``output``.

    The changes of origins in ``rehearsal`` were accepted. The temporary files are deleted at the
    end. Raises RolledBack if the output is not correct.
    """
    work = merge.folder("write")
    result = _carry_out(dataclasses.replace(merge, work=work), rehearsal, output)
    merge.run(["rm", "--recursive", "--force", "--one-file-system", "--", work])
    return result


def _carry_out(merge: Merge, rehearsal: Rehearsal, output: Path) -> MergeResult:
    order = merge.order
    image_draft = draft(
        merge.image, merge.folder("draft"), size_bytes=wanted_size(merge, rehearsal),
        run=merge.run, progress=merge.progress)
    boot = iso_boot.read(merge.image, merge.folder("boot"), run=merge.run)
    start = reproducible.Start.now()
    with image_draft.changing() as root:
        with for_dnf(root, merge.work / "cache", run=merge.run):
            answers = _change(merge, root, [
                plugin.name for plugin in changed_origins(rehearsal, order)])
            end_others()  # a process of a scriptlet could change files that are read below
        boot = boot.for_root(root, volume_id=order.volume_id)
        initramfs = iso_initramfs.initramfs_changes(
            merge.image, root, boot, merge.folder("initramfs"), run=merge.run,
            progress=merge.progress)
        bundle_files = bundles.bundle_changes(
            merge.image, root, merge.folder("bundles"), saved=merge.folder(SAVED), run=merge.run,
            installed=rehearsal.sources() if order.keep_bundles else None)
        mark = _finish_root(merge, root, _changes(rehearsal), boot, start)
        changed, labels = _label(merge, root)
        packages = packages_by_plugin(root)
        expected = verify.Expected(
            image=merge.image, root=changed if order.check else {}, changes=IsoChanges(),
            recompress=order.recompress, boot=boot.texts, labels=labels)
        unclaimed = verify.unclaimed_paths(expected, root)
    changes = IsoChanges({**initramfs.files, **bundle_files.files,
                          marks.ON_ISO: merge.work / _MARK_FILE},
                         (*initramfs.removed, *bundle_files.removed), order.volume_id)
    writer = Writer(image=merge.image, draft=image_draft, work=merge.folder("written"),
                    run=merge.run, progress=merge.progress, recompress=order.recompress,
                    package=merge.package)
    written = writer.write(output, changes, boot)
    if order.check:
        verify.check(expected.after(written), output, merge.folder("check"), dnf=merge.dnf,
                     run=merge.run, progress=merge.progress)
    return MergeResult(mark, packages, answers, (
        *_new_notes(answers, rehearsal), *bundle_files.notes, *initramfs.notes,
        *written.notes, *_unclaimed_note(unclaimed), *_label_note(labels)),
        labels=labels, checked=order.check)


def _check(order: Order) -> None:
    if not order.install and not order.remove:
        raise UsageError("there is nothing to merge",
                         hint="Name plugins, or give --remove NAME or --plugins-from IMAGE.")
    both = sorted(set(order.install) & set(order.remove))
    if both:
        raise UsageError(f"{', '.join(both)} cannot be both removed and installed",
                         hint="To upgrade a plugin, only install the new version.")


def _check_fits(order: Order, image: Image) -> None:
    kind = image.layout.kind
    if kind == FOLDER and order.recompress is not None:
        raise UsageError(f"{order.image} is a folder, which is not compressed",
                         hint="Leave --recompress out.")
    if kind != ISO and (order.volume_id or order.keep_bundles):
        raise UsageError(f"{order.image} is not an ISO: it has no volume id and keeps no bundles",
                         hint="Leave --volid and --keep-bundles out.")
    if order.size_bytes:
        check_size(image.layout, order.size_bytes)


def _steps(order: Order) -> List[Tuple[str, Tuple[str, ...]]]:
    steps = (("remove", order.remove), ("install", order.install))
    return [(subcommand, names) for subcommand, names in steps if names]


def _of_image(image: Image, plan: PlanAnswer) -> PlanAnswer:
    """Return ``plan`` with what repairs a plugin of an image, and the image's free space."""
    space = plan.space and dataclasses.replace(plan.space, free_bytes=free_bytes(image))
    return dataclasses.replace(plan, space=space, plugins=tuple(
        dataclasses.replace(plugin, next_step=merge_command(image.layout.path))
        if plugin.next_step else plugin for plugin in plan.plugins))


def _change(merge: Merge, root: Path, accepted: Sequence[str]) -> Tuple[PlanAnswer, ...]:
    """Carry out the steps; ``accepted`` are the plugins whose new origin is accepted."""
    answers = []
    for subcommand, names in _steps(merge.order):
        own = [*merge.order.options(subcommand)]
        if subcommand == "install":
            own += [f"--accept-origin={name}" for name in accepted]
            own += merge.order.trust.options
            own += [f"--save-bundles={merge.folder(SAVED)}"] if merge.order.keep_bundles else []
        with merge.progress.step(subcommand, "Changing the root"):
            answers.append(merge.dnf.run_json(root, subcommand, names, "-y", *own,
                                              answer=PlanAnswer))
    return tuple(answers)


def _new_notes(answers: Sequence[PlanAnswer], rehearsal: Rehearsal) -> Iterator[str]:
    """Yield the notes of the transactions that the plans do not have."""
    known = {note for plan in rehearsal.plans for note in plan.notes}
    yield from (note for answer in answers for note in answer.notes if note not in known)


def _finish_root(merge: Merge, root: Path, plugin_changes: Tuple[marks.PluginChange, ...],
                 boot: iso_boot.IsoBoot, start: reproducible.Start) -> marks.Mark:
    """Write what the merge itself adds to the changed ``root``, and return its mark."""
    _set_sources(root, merge.order)
    mark = _write_mark(merge, root, plugin_changes, boot)
    leftovers.remove(root, merge.image.root)
    reproducible.replace_times(root, merge.image.root, start, work=merge.work)
    return mark


def _label(merge: Merge, root: Path) -> Tuple[Dict[str, Difference], Optional[Labels]]:
    """Label what the merge changed in ``root``, and return these changes and the labels."""
    has_labels = can_store(merge.image.layout) and bool(policy_of(root))
    changes = verify.root_changes(merge.image, root) if has_labels or merge.order.check else {}
    if not has_labels:
        return changes, None
    paths = paths_to_label(changes, merge.image.root, root, verify.claimed_paths(root))
    return changes, set_labels(root, paths, merge.folder("labels"), run=merge.run)


def _label_note(labels: Optional[Labels]) -> Tuple[str, ...]:
    return (labels.note,) if labels is not None and labels.failure else ()


def _set_sources(root: Path, order: Order) -> None:
    """Replace temporary paths in the records by the permanent sources, and their origins."""
    for record in store.read_registry(root).records.values():
        if record.source in order.sources:
            origin, old = record.origin, order.replayed.get(record.name)
            source = order.sources[record.source]
            location = old.origin.location if old is not None else os.path.dirname(source)
            store.save(root, dataclasses.replace(
                record, source=source,
                recorded_origin=dataclasses.replace(origin, location=location)),
                store.read_undo_data(root, record.name))


def _write_mark(merge: Merge, root: Path, plugin_changes: Tuple[marks.PluginChange, ...],
                boot: iso_boot.IsoBoot) -> marks.Mark:
    """Write the mark of this merge, and the version of an RPM, to the changed ``root``.

    Returns the mark, which is also written to _MARK_FILE.
    """
    mark = marks.new_mark(merge.checked.digests, _plugins(root), plugin_changes, boot.originals)
    marks.write_to_root(root, mark)
    (merge.work / _MARK_FILE).write_text(marks.text(mark), encoding="utf-8")
    if merge.package is not None:
        site_release.write_version(root, merge.package.release)
    return mark


def _unclaimed_note(paths: Sequence[str]) -> Tuple[str, ...]:
    """Return a note on changed files that belong to no plugin, if there are any."""
    if not paths:
        return ()
    names = first_names([f"/{path}" for path in paths], _MOST_PATHS)
    return (f"The transaction also changed {names}, which no plugin has.",)


def _plugins(root: Path) -> Tuple[marks.MergedPlugin, ...]:
    registry = store.read_registry(root)
    if registry.damaged:
        raise Refused(f"the root's registry is damaged: {', '.join(sorted(registry.damaged))}",
                      hint="Merge into an image whose registry is not damaged.")
    return tuple(marks.MergedPlugin(record.name, record.version, record.vendor,
                              record.source.rpartition("/")[2])
                 for _, record in sorted(registry.records.items()))


def packages_by_plugin(root: Path) -> Dict[str, Tuple[str, ...]]:
    """Return the NEVRAs of each plugin in ``root``, sorted, by its name and version."""
    return {f"{name} {record.version}": tuple(sorted(
                package.nevra for package in record.packages))
            for name, record in sorted(store.read_registry(root).records.items())}


def _changes(rehearsal: Rehearsal) -> Tuple[marks.PluginChange, ...]:
    return tuple(
        marks.PluginChange(plugin.action, plugin.name, plugin.version or plugin.old_version)
        for plan in rehearsal.plans for plugin in plan.plugins if plugin.action != KEEP)


def single_failures(merge: Merge, words: Sequence[str]) -> Dict[str, DnfFailed]:
    """Return the failure of each word that can be installed neither alone nor with the others.

    ``words`` are names of plugins and paths of bundles. The others are those that can be
    installed alone.
    """
    failures: Dict[str, DnfFailed] = {}
    with trial_root(merge.image, merge.folder("single"), run=merge.run) as root:
        if merge.order.remove:
            merge.dnf.run_json(root, "remove", merge.order.remove, "-y",
                               *merge.order.options("remove"), answer=PlanAnswer)
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
        merge.dnf.run_json(root, "install", words, "--dry-run", answer=PlanAnswer)
    except DnfFailed as exc:
        return exc
    return None
