"""Try plugins in images: install, verify, remove, compare; upgrade; install beside others.

Each trial has a copy of the root of its own, which it changes by ``dnf node-plugin``. The images
are only read.
"""
from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Collection, Iterator, List, Optional, Sequence, Tuple

from ...errors import NodePluginError, UsageError
from ...images.dnf_program import Dnf, DnfFailed
from ...images.image import FOLDER, ISO, SQUASHFS, Image, image_kind, opened
from ...plugin import bundle as bundles
from ...plugin.archive import SUFFIXES
from ...plugin.descriptor import DESCRIPTOR_NAME
from ...policy.given_parameters import absolute_options, read_options
from ...policy.key_trust import NO_TRUST, KeyTrust
from ...system.json_answer import ErrorAnswer
from ...system.progress import Progress
from ...system.run import Runner
from ...target import read_target
from .trial_results import (
    ALONE,
    BESIDE,
    FAILED,
    PASSED,
    SKIPPED,
    UPGRADE,
    Cell,
    Matrix,
    Trial,
    TrialStep,
    TriedImage,
    TriedPlugin,
)
from .trial_steps import Installable, PlannedStep, opened_trial, planned

_NO_SIGNATURES = "The signatures of packages were not checked: --nogpgcheck."
_NO_BUNDLES = (FOLDER, ISO, SQUASHFS)  # an RPM has a message of its own, as a bundle
_READ, _OPEN = "read", "open"  # steps that appear only if they fail


@dataclass(frozen=True)
class TrialOrder:
    """What to try: paths of bundles and images as they were given.

    ``older`` are bundles of older versions, ``others`` plugins beside which each is installed: a
    path, or a name of the library. ``payload`` is the squashfs on an ISO. ``parameters`` are
    arguments of --set. ``unchecked`` is whether the signatures are not checked.
    """

    plugins: Tuple[Path, ...]
    images: Tuple[Path, ...]
    older: Tuple[Path, ...] = ()
    others: Tuple[str, ...] = ()
    payload: str = ""
    trust: KeyTrust = NO_TRUST
    parameters: Tuple[str, ...] = ()
    allow_replace: Tuple[str, ...] = ()
    unchecked: bool = False


@dataclass(frozen=True)
class Tools:
    """How to work: ``reworded`` returns a reason with the words for an image."""

    dnf: Dnf
    run: Runner
    progress: Progress
    reworded: Callable[[ErrorAnswer, Path], ErrorAnswer]


@dataclass(frozen=True)
class _Candidate:
    """A bundle to try, or the error for which it cannot be read."""

    plugin: TriedPlugin
    installable: Optional[Installable]
    error: Optional[NodePluginError] = None


class _InstallOptions:
    """The options of installs that an order says."""

    def __init__(self, order: TrialOrder) -> None:
        self._common = (*order.trust.options,
                        *(f"--allow-replace={name}" for name in order.allow_replace))
        self._values = [(key, option) for key, option in zip(
            read_options(order.parameters), absolute_options(order.parameters, os.getcwd()))]

    @property
    def plugins(self) -> Sequence[str]:
        """The plugins that get values of parameters."""
        return [plugin for (plugin, _), _ in self._values]

    def of(self, plugin: str, declared: Optional[Collection[str]]) -> Tuple[str, ...]:
        """Return the options for a plugin, with values of ``declared`` parameters or of all."""
        return (*self._common, *(
            option for (name, parameter), option in self._values
            if name == plugin and (declared is None or parameter in declared)))


def tried(order: TrialOrder, folders: Sequence[Path], tools: Tools) -> Matrix:
    """Return the results of all trials.

    ``folders`` are made for mounts and changes, one for each image. What fails in one trial is in
    its result. Raises UsageError for a path that does not exist, and for what belongs to no
    plugin; BadBundle for an older version or another plugin that cannot be read.
    """
    _check_images(order.plugins, order.images)
    options, run = _InstallOptions(order), tools.run
    candidates = [_candidate(path, options, run) for path in order.plugins]
    older = [_installable(path, options, run, only_declared=True) for path in order.older]
    others = [_other(word, options, run) for word in order.others]
    _check_named(candidates, older, others, options)
    harness = _Harness(order=order, tools=tools, candidates=candidates, older=older,
                       others=others)
    results = [harness.image(image, folder) for image, folder in zip(order.images, folders)]
    return Matrix(plugins=tuple(candidate.plugin for candidate in candidates),
                  images=tuple(image for image, _ in results),
                  cells=tuple(cell for _, row in results for cell in row),
                  notes=(_NO_SIGNATURES,) if order.unchecked else ())


@dataclass(frozen=True)
class _Harness:
    order: TrialOrder
    tools: Tools
    candidates: Sequence[_Candidate]
    older: Sequence[Installable]
    others: Sequence[Installable]

    def image(self, path: Path, folder: Path) -> Tuple[TriedImage, Tuple[Cell, ...]]:
        """Try all plugins in one image; ``folder`` is made."""
        folder.mkdir()
        isos = [image for image in self.order.images if image_kind(image) == ISO]
        payload = self.order.payload if path in isos or not isos else ""
        tried_image = TriedImage(str(path))
        cells: List[Cell] = []
        try:
            with opened(path, folder, payload=payload, run=self.tools.run) as image:
                target = read_target(image.root)
                tried_image = TriedImage(str(path), target.kind, target.name, target.version)
                for position, candidate in enumerate(self.candidates):
                    trials = tuple(self._trials(candidate, image, folder / f"plugin-{position}"))
                    cells.append(Cell(candidate.plugin, tried_image, trials))
        except (NodePluginError, OSError) as exc:
            step = self._failed(_OPEN, exc, path)
            cells += [Cell(candidate.plugin, tried_image, (Trial(ALONE, None, (step,)),))
                      for candidate in self.candidates[len(cells):]]
        return tried_image, tuple(cells)

    def _trials(self, candidate: _Candidate, image: Image, folder: Path) -> Iterator[Trial]:
        if candidate.installable is None:
            yield Trial(ALONE, None, (self._failed(_READ, candidate.error, image.layout.path),))
            return
        plugin = candidate.installable
        kinds: List[Tuple[str, Optional[Installable]]] = [(ALONE, None)]
        kinds += [(UPGRADE, older) for older in self.older if older.name == plugin.name]
        kinds += [(BESIDE, other) for other in self.others if other.name != plugin.name]
        for number, (kind, other) in enumerate(kinds):
            work = folder / f"trial-{number}"
            work.mkdir(parents=True)
            steps = self._steps(kind, plugin, other, image, work)
            yield Trial(kind, other.plugin if other is not None else None, steps)

    def _steps(self, kind: str, plugin: Installable, other: Optional[Installable], image: Image,
               work: Path) -> Tuple[TrialStep, ...]:
        """Return the results of one trial."""
        done: List[TrialStep] = []
        path, end = image.layout.path, ""
        try:
            with opened_trial(image, work, dnf=self.tools.dnf, run=self.tools.run) as root:
                for each in planned(kind, plugin, other, root):
                    if end:
                        done.append(TrialStep(each.name, SKIPPED, because=f"the step {end} failed"))
                        continue
                    text = f"{plugin.plugin.title}: {each.name}"
                    with self.tools.progress.step(each.name, f"{text} ({path.name})"):
                        done.append(self._step(each, path))
                    if each.ends and done[-1].outcome == FAILED:
                        end = each.name
        except (NodePluginError, OSError) as exc:
            done.append(self._failed(_OPEN, exc, path))
        return tuple(done)

    def _step(self, planned_step: PlannedStep, image: Path) -> TrialStep:
        start = time.monotonic()
        try:
            found = planned_step.work()
        except (NodePluginError, OSError) as exc:
            return self._failed(planned_step.name, exc, image, time.monotonic() - start)
        seconds, name = time.monotonic() - start, planned_step.name
        if found.because:
            return TrialStep(name, SKIPPED, because=found.because, seconds=seconds)
        if found.error is not None:
            failed = self._failed(name, found.error, image, seconds)
            return replace(failed, left=found.left, notes=found.notes)
        return TrialStep(name, PASSED, notes=found.notes, seconds=seconds)

    def _failed(self, name: str, exc: Optional[Exception], image: Path,
                seconds: float = 0.0) -> TrialStep:
        """Return a step that failed with the error ``exc``."""
        if isinstance(exc, DnfFailed):
            answer = exc.answer
        elif isinstance(exc, NodePluginError):
            answer = ErrorAnswer.of(exc)
        else:
            answer = ErrorAnswer.of(NodePluginError(str(exc)))
        return TrialStep(name, FAILED, error=self.tools.reworded(answer, image), seconds=seconds)


def _check_images(plugins: Sequence[Path], images: Sequence[Path]) -> None:
    """Raise UsageError for an image that does not exist, and for images and bundles mixed up."""
    for plugin in plugins:
        if not os.path.lexists(plugin / DESCRIPTOR_NAME) and image_kind(plugin) in _NO_BUNDLES:
            raise UsageError(f"{plugin} is an image and not a bundle",
                             hint="Name all images after --on.")
    for image in images:
        if not image.exists():
            raise UsageError(f"--on: there is no image {image}",
                             hint="Give an ISO, a squashfs image, an update RPM, or the folder of"
                                  " an unpacked root.")
        if image.name.endswith(tuple(SUFFIXES)) or os.path.lexists(image / DESCRIPTOR_NAME):
            raise UsageError(f"--on: {image} is a bundle and not an image",
                             hint="Name all plugins before --on.")


def _candidate(path: Path, options: _InstallOptions, run: Runner) -> _Candidate:
    """Return a bundle to try. Raises UsageError if there is none at ``path``."""
    try:
        installable = _installable(path, options, run)
    except UsageError:
        raise
    except NodePluginError as exc:
        return _Candidate(TriedPlugin(str(path)), None, exc)
    return _Candidate(installable.plugin, installable)


def _installable(path: Path, options: _InstallOptions, run: Runner, *,
                 only_declared: bool = False) -> Installable:
    """Return a bundle with the options of its install.

    With ``only_declared``, it gets no values of parameters that it does not have. Raises
    UsageError and BadBundle as ``bundle.opened``.
    """
    with bundles.opened(path, run=run) as bundle:
        descriptor = bundle.descriptor
    declared = [parameter.name for parameter in descriptor.parameters] if only_declared else None
    return Installable(TriedPlugin(str(path), descriptor.name, descriptor.version),
                       os.path.abspath(path), options.of(descriptor.name, declared))


def _other(word: str, options: _InstallOptions, run: Runner) -> Installable:
    """Return the plugin that is named by a path, or by a name of the library."""
    if os.sep in word or os.path.exists(word):
        return _installable(Path(word), options, run)
    name = word.partition("=")[0]
    return Installable(TriedPlugin(word, name), word, options.of(name, None))


def _check_named(candidates: Sequence[_Candidate], older: Sequence[Installable],
                 others: Sequence[Installable], options: _InstallOptions) -> None:
    """Raise UsageError for an older version, or a parameter, of a plugin that is not tried."""
    names = {candidate.plugin.name for candidate in candidates}
    for each in older:
        if each.name not in names and "" not in names:
            raise UsageError(f"--from {each.plugin.path} is the plugin {each.name}, which is not"
                             " tried", hint="Name its new version, too, or leave it out.")
    for each in others:
        if names == {each.name}:
            raise UsageError(f"--with {each.plugin.path} is the plugin {each.name}, which is tried",
                             hint="Name another plugin, or give an older version with --from.")
    names.update(each.name for each in others)
    for name in options.plugins:
        if name not in names and "" not in names:
            raise UsageError(f"--set gives a value to the plugin {name}, which is not tried",
                             hint=f"The plugins are: {', '.join(sorted(names))}.")
