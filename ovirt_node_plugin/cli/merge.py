"""The commands that write images: ``merge`` and ``shell``."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from pathlib import Path
from typing import Iterator, Sequence, Tuple

from ..errors import NodePluginError, Status, UsageError
from ..images.dnf_program import DnfFailed
from ..images.image import Image, opened
from ..images.squashfs.compression import parse_compression
from ..merge import forecast, replay, trust
from ..merge import merge as merging
from ..merge import shell as shells
from ..merge.input.named_checksums import NO_CHECKSUMS, check_image
from ..merge.model import Merge, Order, Rehearsal
from ..merge.root import site_release
from ..policy.key_trust import read_trust
from ..report import image_data, image_text
from ..system import source_date
from ..system.run import Runner, attached
from ..system.words import printable
from . import arguments
from .program import Invocation


def merge(invocation: Invocation) -> int:
    """Merge plugins into an image, and write a new one."""
    options = invocation.options
    asks = not (options.assumeyes or options.assumeno or options.dry_run)
    if asks and invocation.json:
        raise UsageError("merge --json cannot ask whether the plan is right",
                         hint="Add --dry-run to see the plan, or -y to carry it out.")
    wanted = _wanted_plugins(invocation)
    with merging.prepared(_order(invocation, wanted), invocation.folder, dnf=invocation.dnf,
                          run=invocation.run, progress=invocation.progress) as prepared:
        return _plan_and_merge(invocation, prepared, wanted, asks=asks)


def _plan_and_merge(invocation: Invocation, prepared: Merge, wanted: replay.Replay, *,
                    asks: bool) -> int:
    options, order = invocation.options, prepared.order
    rehearsal = _rehearsal(prepared, wanted)
    notes = (*wanted.notes, *prepared.checked.notes, *source_date.notes(),
             *forecast.notes(prepared, rehearsal))
    untrusted = trust.untrusted_signatures(rehearsal, order.trust)
    other_origins = trust.refused_origins(rehearsal, order, options.accept_origin)
    plans_only = options.dry_run or options.assumeno
    for refused in (untrusted, other_origins) if plans_only else ():
        notes = (*notes, *((refused.message, refused.hint) if refused is not None else ()))
    invocation.say(image_text.plans(rehearsal, notes), asked=asks or plans_only)
    if plans_only or not rehearsal.changes:
        invocation.answer(
            image_data.merge_result(rehearsal, None, None, notes=notes),
            image_text.merge_result(rehearsal, None, options.output, source=options.image))
        return _aborted(invocation) if options.assumeno and rehearsal.changes else Status.DONE
    if untrusted is not None:
        raise untrusted
    if other_origins is not None and not asks:
        raise other_origins
    warning = invocation.shown.text(other_origins.message) if other_origins is not None else ""
    if asks and not _confirmed(warning):
        return _aborted(invocation)
    assert invocation.destination is not None
    outcome = merging.carry_out(prepared, rehearsal, invocation.destination).without(notes)
    invocation.answer(
        image_data.merge_result(rehearsal, outcome, options.output, notes=notes),
        image_text.merge_result(rehearsal, outcome, options.output, source=options.image))
    return Status.DONE


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
    if invocation.destination is not None or named != NO_CHECKSUMS:
        checked = check_image(options.image, named, invocation.folder, run=run,
                              progress=invocation.progress)
        checked.digests.require_undamaged()
        for note in checked.notes:
            print(printable(f"Note: {note}"), file=sys.stderr)
    with opened(options.image, invocation.folder, payload=options.payload, run=run) as image:
        shell_run = shells.ShellRun(image=image, command=options.argv, work=invocation.folder,
                                    run=run, attached=attached, network=options.network,
                                    site_tag=site_release.check_tag(options.site_tag),
                                    sign_key=options.sign)
        if invocation.destination is None:
            return shells.run_and_discard(shell_run)
        status, notes = shells.run_and_write(shell_run, invocation.destination,
                                             progress=invocation.progress)
    for note in (*source_date.notes(), *notes):
        print(printable(f"Note: {note}"), file=sys.stderr)
    print(printable(f"Status {status}: no image was written." if status
                    else f"{options.output} is written."), file=sys.stderr)
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
        trust=read_trust(options.trust_key, every=options.trust_keys),
        accounts_from=wanted.registry, skip_scriptlets=options.skip_scriptlets,
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
