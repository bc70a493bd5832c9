"""The steps of a trial: each changes or examines one copy of the root in an image."""
from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Container, Iterator, List, Optional, Sequence, Tuple

from ...compare.packages import RootPackage, read_packages
from ...compare.trees import Difference
from ...errors import NodePluginError, Refused, Status
from ...images.dnf_program import Dnf, trial_root, unchanged
from ...images.image import Image
from ...operations.model import results
from ...operations.model.answers import PlanAnswer, VerifyAnswer
from ...registry import store
from ...system.run import Runner
from ...system.words import first_lines
from ...target import read_target
from .leftovers import HINT, leftovers
from .trial_results import ALONE, BESIDE, UPGRADE, TriedPlugin

_MOST_PROBLEMS = 10  # that a message names


@dataclass(frozen=True)
class Installable:
    """A plugin to install: the word for ``dnf node-plugin``, and the options of its install."""

    plugin: TriedPlugin
    word: str
    options: Tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the plugin."""
        return self.plugin.name


@dataclass(frozen=True)
class StepFindings:
    """What a step found; ``because`` is why it could not be done, ``error`` why it failed."""

    notes: Tuple[str, ...] = ()
    because: str = ""
    error: Optional[NodePluginError] = None
    left: Tuple[Difference, ...] = ()


@dataclass(frozen=True)
class PlannedStep:
    """A step; ``ends`` is whether the steps after it make no sense if it fails."""

    name: str
    work: Callable[[], StepFindings]
    ends: bool = True


class TrialRoot:
    """A copy of the root in ``image``, in which plugins are installed and removed."""

    def __init__(self, image: Image, root: Path, unchanged_paths: Container[str], *, dnf: Dnf,
                 run: Runner) -> None:
        self._image, self._root, self._unchanged = image, root, unchanged_paths
        self._dnf, self._run = dnf, run
        self._messages: List[str] = []  # of removals
        self._target = read_target(image.root)
        self._before = self._packages()
        self._merged = store.names(image.root)
        self._touched: List[str] = []  # plugins of the image that the trial changed

    def install(self, plugin: Installable, *, is_upgrade: bool = False) -> StepFindings:
        """Install a plugin. Raises DnfFailed, and Refused for an upgrade that is none."""
        answer = self._dnf.run_json(self._root, "install", (plugin.word,), "-y", *plugin.options,
                                    answer=PlanAnswer)
        self._touched += [plugin.name] if plugin.name in self._merged else []
        actions = [each for each in answer.plugins if each.name == plugin.name]
        if is_upgrade and not any(each.action == results.UPGRADE for each in actions):
            raise Refused(
                f"{plugin.plugin.title} is no upgrade: the installed version stays",
                hint="Give --from an older version, and the new one a higher <version>.")
        return StepFindings((*answer.notes, *(note for each in actions for note in each.notes)))

    def verify(self, *plugins: Installable) -> StepFindings:
        """Compare the records of plugins with the root."""
        answer = self._dnf.run_json(self._root, "verify", [each.name for each in plugins],
                                    answer=VerifyAnswer)
        problems = [f"{check.name}: {problem}" for check in answer.plugins
                    for problem in check.problems]
        notes = tuple(f"{check.name}: {note}" for check in answer.plugins for note in check.notes)
        if answer.ok:
            return StepFindings(notes)
        return StepFindings(notes, error=_broken("\n  ".join([
            "the plugin is not in the root as it was installed:",
            *first_lines(problems, _MOST_PROBLEMS)])))

    def remove(self, plugin: Installable) -> StepFindings:
        """Remove a plugin. Raises DnfFailed."""
        answer = self._dnf.run_json(self._root, "remove", (plugin.name,), "-y", answer=PlanAnswer)
        notes = (*answer.notes, *(note for each in answer.plugins for note in each.notes))
        self._messages += notes
        return StepFindings(notes)

    def compare(self) -> StepFindings:
        """Compare the root with that of the image."""
        if self._touched:
            names = ", ".join(sorted(set(self._touched)))
            return StepFindings(because=f"the image already has {names}")
        found = leftovers(self._image.root, self._root, messages=self._messages,
                          unchanged=self._unchanged, packages=(self._before, self._packages()))
        expected = tuple(f"{line}, as the removal says" for line in found.expected)
        text = found.text()
        return StepFindings(expected, error=_broken(text, hint=HINT) if text else None,
                     left=found.first_files)

    def _packages(self) -> Sequence[RootPackage]:
        return read_packages(self._root, self._target, run=self._run)

@contextlib.contextmanager
def opened_trial(image: Image, work: Path, *, dnf: Dnf, run: Runner) -> Iterator[TrialRoot]:
    """Yield a copy of the root in the open ``image``; ``work`` is a folder for the changes.

    Raises Refused for a root with links that lead outside, BadRoot for one without an rpm database.
    """
    with trial_root(image, work, run=run) as root:
        yield TrialRoot(image, root, unchanged(work), dnf=dnf, run=run)


def planned(kind: str, plugin: Installable, other: Optional[Installable],
            root: TrialRoot) -> Iterator[PlannedStep]:
    """Yield the steps of a trial of one kind; ``other`` is None for ALONE."""
    if kind == ALONE or other is None:
        yield PlannedStep("install", lambda: root.install(plugin))
    elif kind == UPGRADE:
        yield PlannedStep("install-older", lambda: root.install(other))
        yield PlannedStep("upgrade", lambda: root.install(plugin, is_upgrade=True))
    else:
        yield PlannedStep("install-other", lambda: root.install(other))
        yield PlannedStep("install", lambda: root.install(plugin))
    both = (plugin, other) if kind == BESIDE and other is not None else (plugin,)
    yield PlannedStep("verify", lambda: root.verify(*both), ends=False)
    yield PlannedStep("remove", lambda: root.remove(plugin))
    if kind == BESIDE and other is not None:
        yield PlannedStep("verify-other", lambda: root.verify(other), ends=False)
        yield PlannedStep("remove-other", lambda: root.remove(other))
    yield PlannedStep("compare", root.compare)


def _broken(message: str, *, hint: str = "") -> NodePluginError:
    error = NodePluginError(message, hint=hint)
    error.status = Status.BROKEN
    return error
