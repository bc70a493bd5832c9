"""The results of trying plugins in images: steps, trials, and the matrix of both."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Optional, Tuple

from ...compare.trees import Difference
from ...errors import Status
from ...system.json_answer import ErrorAnswer

ALONE, UPGRADE, BESIDE = "alone", "upgrade", "beside"
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class TriedPlugin:
    """A bundle: its path as it was given; name and version are empty if it cannot be read."""

    path: str
    name: str = ""
    version: str = ""

    @property
    def title(self) -> str:
        """The name and version, or the path without them."""
        return f"{self.name} {self.version}" if self.name else self.path


@dataclass(frozen=True)
class TriedImage:
    """An image: its path as it was given, and its system; ``kind`` and ``name`` as in Target."""

    path: str
    kind: str = ""
    name: str = ""
    version: str = ""


@dataclass(frozen=True)
class TrialStep:
    """One step of a trial; ``name`` is what it does, such as ``install``.

    ``error`` is the reason of one that FAILED, ``because`` that of one that was SKIPPED. ``left``
    are the first differences from the image that a removal left, and ``notes`` lines for people.
    ``seconds`` is the time that it took.
    """

    name: str
    outcome: str
    error: Optional[ErrorAnswer] = None
    because: str = ""
    left: Tuple[Difference, ...] = ()
    notes: Tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Trial:
    """The steps in one copy of a root; ``kind`` is ALONE, UPGRADE or BESIDE.

    ``other`` is the older version or the other plugin, None for ALONE.
    """

    kind: str
    other: Optional[TriedPlugin]
    steps: Tuple[TrialStep, ...]

    @property
    def title(self) -> str:
        """What is tried, for people."""
        if self.other is None:
            return self.kind
        return f"{'upgrade from' if self.kind == UPGRADE else self.kind} {self.other.title}"


@dataclass(frozen=True)
class Cell:
    """One plugin in one image."""

    plugin: TriedPlugin
    image: TriedImage
    trials: Tuple[Trial, ...]

    @property
    def errors(self) -> Iterator[ErrorAnswer]:
        """The reasons of the steps that failed."""
        return (step.error for trial in self.trials for step in trial.steps
                if step.error is not None)

    @property
    def passed(self) -> bool:
        """Whether no step failed."""
        return not any(self.errors)


@dataclass(frozen=True)
class Matrix:
    """Every plugin in every image; ``notes`` are about all of them."""

    plugins: Tuple[TriedPlugin, ...]
    images: Tuple[TriedImage, ...]
    cells: Tuple[Cell, ...]
    notes: Tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every cell passed."""
        return all(cell.passed for cell in self.cells)

    @property
    def status(self) -> int:
        """The exit status: that of the reasons if they have one in common, else REFUSED."""
        found = {error.status for cell in self.cells for error in cell.errors}
        if len(found) > 1:
            return Status.REFUSED
        return found.pop() if found else Status.DONE
