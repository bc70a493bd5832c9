"""The commands that write images: ``merge`` and ``shell``."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple, TypeVar

from ..errors import NodePluginError, Status, UsageError
from ..images.dnf_program import DnfFailed
from ..images.image import Image, opened
from ..images.squashfs.compression import parse_compression
from ..merge import merge as merging
from ..merge import replay, together
from ..merge import shell as shells
from ..merge.input.named_checksums import NO_CHECKSUMS, check_image
from ..merge.model import Merge, MergeResult, Order, Rehearsal
from ..merge.root import site_release
from ..merge.together import PlannedMerge
from ..policy.given_parameters import absolute_options
from ..policy.key_trust import read_trust
from ..report import image_data, image_text
from ..report.progress import NamedSteps
from ..system import source_date
from ..system.run import Runner, attached
from ..system.words import printable
from . import arguments, hints
from .program import Invocation

T = TypeVar("T")
R = TypeVar("R")


def merge(invocation: Invocation) -> int:
    """Merge plugins into images, and write new ones: all or none."""
    options, images = invocation.options, invocation.images
    asks = not (options.assumeyes or options.assumeno or options.dry_run)
    if asks and invocation.json:
        raise UsageError("merge --json cannot ask whether the plan is right",
                         hint="Add --dry-run to see the plan, or -y to carry it out.")
    if len(images) > 1 and options.sha256:
        raise UsageError("--sha256 names the checksum of one image, and there are several",
                         hint="Name a list with --checksum-file: it may have all of them.")
    wanted = _wanted_plugins(invocation)
    order = _order(invocation, wanted)
    with contextlib.ExitStack() as stack:
        merges = _for_each(invocation, tuple(enumerate(images)), lambda image: _prepared(
            invocation, together.order_for(order, image[1], images), image[0], stack))
        together.require_one_version([merge.image for merge in merges])
        plans = _for_each(invocation, merges, lambda merge: together.planned(
            merge, _rehearsal(merge, wanted),
            notes=(*wanted.notes, *merge.checked.notes, *source_date.notes()),
            accepted_origins=options.accept_origin))
        return _ask_and_merge(invocation, plans, asks=asks)


def _prepared(invocation: Invocation, order: Order, number: int,
              stack: contextlib.ExitStack) -> Merge:
    """Open the image of ``order``, the one with this ``number``, until ``stack`` is closed."""
    folder, progress = invocation.folder / invocation.image_folder(number), invocation.progress
    folder.mkdir()
    if len(invocation.images) > 1:
        progress = NamedSteps(progress, order.image.name)
    return stack.enter_context(merging.prepared(
        order, folder, dnf=invocation.dnf, run=invocation.run, progress=progress))


def _for_each(invocation: Invocation, items: Sequence[T], step: Callable[[T], R]) -> List[R]:
    """Return the results of ``step``; ``items`` are those of the images, in their order.

    Raises ImagesRefused with the errors of all images. If there is only one image, its error is
    raised as it is.
    """
    if len(items) == 1:
        return [step(items[0])]
    results: List[R] = []
    failures: Dict[str, NodePluginError] = {}
    for image, item in zip(map(str, invocation.images), items):
        try:
            results.append(step(item))
        except NodePluginError as exc:
            exc.message = invocation.shown.text(exc.message)
            exc.hint = hints.for_image(exc.hint, image=image)
            failures[image] = exc
    if failures:
        raise together.ImagesRefused(failures)
    return results


def _ask_and_merge(invocation: Invocation, plans: Sequence[PlannedMerge], *, asks: bool) -> int:
    """Print the plans, ask whether they are right, and carry them out."""
    options = invocation.options
    plans_only = options.dry_run or options.assumeno
    if plans_only:
        plans = [plan.with_refusals() for plan in plans]
    changes = any(plan.rehearsal.changes for plan in plans)
    invocation.say(image_text.plans(plans), asked=asks or plans_only)
    if plans_only or not changes:
        _answer(invocation, plans, [None] * len(plans))
        return _aborted(invocation) if options.assumeno and changes else Status.DONE
    _for_each(invocation, plans, PlannedMerge.require_trusted)
    if not asks:
        _for_each(invocation, plans, PlannedMerge.require_accepted)
    warnings = dict.fromkeys(
        invocation.shown.text(plan.other_origins.message) for plan in plans
        if plan.other_origins is not None)
    if asks and not _confirmed("\n".join(warnings)):
        return _aborted(invocation)
    _answer(invocation, plans,
            together.write_all(plans, invocation.destinations, invocation.folder))
    return Status.DONE


def _answer(invocation: Invocation, plans: Sequence[PlannedMerge],
            results: Sequence[Optional[MergeResult]]) -> None:
    """Print the results, and for several images, whether they have the same plugins now."""
    outputs = invocation.outputs or [None] * len(plans)
    parts = list(zip(plans, results, outputs))
    lines = [line for part in parts for line in image_text.merge_result(*part)]
    documents = [image_data.merge_result(*part) for part in parts]
    if len(plans) == 1:
        invocation.answer(documents[0], lines)
        return
    done = any(result is not None for result in results)
    same, notes = together.same_plugins(plans, results) if done else (None, ())
    invocation.answer(image_data.merge_results(plans, documents, same=same, notes=notes),
                      [*lines, *notes])


def _rehearsal(prepared: Merge, wanted: replay.Replay) -> Rehearsal:
    """Return the plans. Raises DoNotFit with the reasons for each plugin of another image."""
    try:
        return merging.rehearse(prepared)
    except DnfFailed as exc:
        failures = (merging.single_failures(prepared, prepared.order.install) if wanted.plugins
                    else {})
        if not failures:
            raise
        raise replay.DoNotFit(
            {wanted.plugins.get(word, word): failure for word, failure in failures.items()},
            wanted.notes) from exc


def _aborted(invocation: Invocation) -> int:
    """Report that the user answered no; with --json, the last line is the plan already."""
    error = NodePluginError("Operation aborted.")
    if invocation.json:
        invocation.note(error.message)
        return int(error.status)
    raise error


def shell(invocation: Invocation) -> int:
    """Run a command or a shell in the root of an image."""
    options, run = invocation.options, invocation.run
    named = arguments.checksums(options)
    if invocation.destinations or named != NO_CHECKSUMS:
        checked = check_image(options.image, named, run=run,
                              progress=invocation.progress)
        checked.digests.require_undamaged()
        for note in checked.notes:
            print(printable(f"Note: {note}"), file=sys.stderr)
    with opened(options.image, invocation.folder, payload=options.payload, run=run) as image:
        shell_run = shells.ShellRun(image=image, command=options.argv, work=invocation.folder,
                                    run=run, attached=attached, network=options.network,
                                    site_tag=site_release.check_tag(options.site_tag),
                                    sign_key=options.sign)
        if not invocation.destinations:
            return shells.run_and_discard(shell_run)
        status, notes = shells.run_and_write(shell_run, invocation.destinations[0],
                                             progress=invocation.progress)
    for note in (*source_date.notes(), *notes):
        print(printable(f"Note: {note}"), file=sys.stderr)
    print(printable(f"Status {status}: no image was written." if status
                    else f"{invocation.outputs[0]} is written."), file=sys.stderr)
    return status


def _order(invocation: Invocation, wanted: replay.Replay) -> Order:
    options = invocation.options
    return Order(
        image=options.image, install=wanted.words, remove=tuple(options.remove),
        payload=options.payload,
        recompress=parse_compression(options.recompress) if options.recompress else None,
        size_bytes=arguments.size(options.size) if options.size else 0,
        volume_id=arguments.volume_id(options.volid), keep_bundles=options.keep_bundles,
        check=options.check, sources=wanted.sources, replayed=wanted.records,
        trust=read_trust(options.trust_key, every=options.trust_keys), trust_level=options.trust,
        accounts_from=wanted.registry,
        parameters=absolute_options(options.set_values, os.getcwd()),
        skip_scriptlets=options.skip_scriptlets,
        allow_replace=tuple(options.allow_replace),
        site_tag=site_release.check_tag(options.site_tag), sign_key=options.sign,
        checksums=arguments.checksums(options))


def _wanted_plugins(invocation: Invocation) -> replay.Replay:
    """Return the plugins to install: those of the command line and those of another image."""
    options, run = invocation.options, invocation.run
    words = _words(options.plugins)
    if options.plugins_from is None:
        return replay.Replay(words, {}, {}, ())
    copies, mounts = invocation.folder / "copies", invocation.folder / "other"
    for folder in (copies, mounts):
        folder.mkdir()
    with _opened(options.plugins_from, mounts, options.payload, run) as other:
        wanted = replay.replay(other, words, copies, run=run)
        invocation.shown.name(wanted.sources.items())
        if not wanted.words and not options.remove:
            raise UsageError(f"{options.plugins_from} contains no plugins",
                             hint="Name the plugins to merge.")
    return dataclasses.replace(wanted, words=tuple(
        word for word in wanted.words if wanted.plugins.get(word) not in options.remove))


@contextlib.contextmanager
def _opened(path: Path, mounts: Path, payload: str, run: Runner) -> Iterator[Image]:
    """Open the image of --plugins-from, with ``payload`` if the image has several squashfs.

    ``mounts`` is a folder for its mounts.
    """
    with contextlib.ExitStack() as stack:
        try:
            image = stack.enter_context(opened(path, mounts, run=run))
        except UsageError:
            if not payload:
                raise
            second = mounts / "second"
            second.mkdir()
            image = stack.enter_context(opened(path, second, payload=payload, run=run))
        yield image


def _words(words: Sequence[str]) -> Tuple[str, ...]:
    """Return ``words`` with paths made absolute, and names unchanged."""
    return tuple(os.path.abspath(word) if os.sep in word or os.path.exists(word) else word
                 for word in words)


def _confirmed(warning: str = "") -> bool:
    """Return whether the user agrees, first to ``warning``, if there is one, then to the plan."""
    questions = [*([f"{warning}\nAccept the new origin"] if warning else []), "Is this ok"]
    with contextlib.suppress(EOFError):
        return all(input(f"{printable(question, keep=chr(10))} [y/N]: ").strip().lower()
                   in ("y", "yes") for question in questions)
    return False
