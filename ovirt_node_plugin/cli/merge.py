"""The commands that write images: ``merge`` and ``shell``."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from pathlib import Path
from typing import Iterator, Sequence, Tuple

from ..errors import NodePluginError, Status, UsageError
from ..images.compression import parse_compression
from ..images.dnf_program import DnfFailed
from ..images.image import Image, opened
from ..merge import forecast, replay
from ..merge import merge as merging
from ..merge import shell as shells
from ..report import image_data, image_text
from ..system.run import attached, run
from . import arguments
from .program import Frame


def merge(frame: Frame) -> int:
    """Merge plugins into an image, and write a new one."""
    options = frame.options
    asks = not (options.assumeyes or options.dry_run)
    if asks and frame.json:
        raise UsageError("merge --json cannot ask whether the plan is right",
                         hint="Add --dry-run to see the plan, or -y to carry it out.")
    again = _replayed(frame)
    with merging.prepared(_order(frame, again), frame.folder, dnf=frame.dnf, run=run,
                          progress=frame.progress) as prepared:
        return _merged(frame, prepared, again, asks=asks)


def _merged(frame: Frame, prepared: merging.Merge, again: replay.Replay, *, asks: bool) -> int:
    options, order = frame.options, prepared.order
    show = not frame.json and (asks or options.dry_run)
    try:
        rehearsal = merging.rehearse(prepared, show=show)
    except DnfFailed as exc:
        alone = merging.failures_alone(prepared, order.install) if again.plugins else {}
        if not alone:
            raise
        raise replay.DoNotFit(
            {again.plugins.get(word, word): why for word, why in alone.items()},
            again.notes) from exc
    notes = (*again.notes, *forecast.notes(prepared, rehearsal))
    strangers = merging.strangers(rehearsal, trust_keys=options.trust_keys)
    if options.dry_run and strangers is not None:
        notes = (*notes, strangers.message, strangers.hint)
    if not frame.json:
        frame.answer({}, [f"Note: {note}" for note in notes])
    if options.dry_run or not rehearsal.changes:
        frame.answer(image_data.merged(rehearsal, None, None, notes=notes),
                     image_text.merged(rehearsal, None, options.output, source=options.image))
        return Status.DONE
    if strangers is not None:
        raise strangers
    if asks and not _agreed():
        raise NodePluginError("Operation aborted.")
    assert frame.destination is not None
    outcome = merging.carry_out(prepared, rehearsal, frame.destination,
                                show=None if frame.json else (("-q",) if asks else ()))
    frame.answer(image_data.merged(rehearsal, outcome, options.output, notes=notes),
                 image_text.merged(rehearsal, outcome, options.output, source=options.image))
    return Status.DONE


def shell(frame: Frame) -> int:
    """Run a command or a shell in the root of an image."""
    options = frame.options
    with opened(options.image, frame.folder, payload=options.payload, run=run) as image:
        shell_run = shells.ShellRun(image=image, command=options.argv, work=frame.folder, run=run,
                                    attached=attached)
        if frame.destination is None:
            return shells.run_and_discard(shell_run)
        status = shells.run_and_write(shell_run, frame.destination, progress=frame.progress)
    print(f"Status {status}: no image was written." if status
          else f"{options.output} is written.", file=sys.stderr)
    return status


def _order(frame: Frame, again: replay.Replay) -> merging.Order:
    options = frame.options
    return merging.Order(
        image=options.image, install=again.words, remove=tuple(options.remove),
        payload=options.payload,
        recompress=parse_compression(options.recompress) if options.recompress else None,
        size_bytes=arguments.size(options.size) if options.size else 0,
        volume_id=arguments.volume_id(options.volid), keep_bundles=options.keep_bundles,
        check=options.check, trust_keys=options.trust_keys, called=again.sources,
        replayed=tuple(again.plugins.values()))


def _replayed(frame: Frame) -> replay.Replay:
    """Return what to install: the plugins of the command line and those of another image."""
    options = frame.options
    words = _words(options.plugins)
    if options.plugins_from is None:
        return replay.Replay(words, {}, {}, ())
    copies, place = frame.folder / "copies", frame.folder / "other"
    for path in (copies, place):
        path.mkdir()
    with _opened(options.plugins_from, place, options.payload) as other:
        found = replay.replay(other, words, copies, run=run)
        if not found.words and not options.remove:
            raise UsageError(f"{options.plugins_from} has no plugins",
                             hint="Name those that you want.")
    return dataclasses.replace(found, words=tuple(
        word for word in found.words if found.plugins.get(word) not in options.remove))


@contextlib.contextmanager
def _opened(path: Path, place: Path, payload: str) -> Iterator[Image]:
    """Open the image of --plugins-from; ``payload`` selects one of several squashfs in it."""
    with contextlib.ExitStack() as stack:
        try:
            image = stack.enter_context(opened(path, place, run=run))
        except UsageError:
            if not payload:
                raise
            second = place / "second"
            second.mkdir()
            image = stack.enter_context(opened(path, second, payload=payload, run=run))
        yield image


def _words(words: Sequence[str]) -> Tuple[str, ...]:
    """Return ``words`` with paths made absolute, and names unchanged."""
    return tuple(os.path.abspath(word) if os.sep in word or os.path.exists(word) else word
                 for word in words)


def _agreed() -> bool:
    with contextlib.suppress(EOFError):
        return input("Is this ok [y/N]: ").strip().lower() in ("y", "yes")
    return False
