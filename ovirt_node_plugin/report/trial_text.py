"""The results of ``ovirt-node-plugin try`` as lines of text."""
from __future__ import annotations

from typing import Dict, Iterator, List, Tuple

from ..authoring.trial.trial_results import FAILED, SKIPPED, Matrix, Trial, TrialStep
from .layout import table


def matrix(result: Matrix) -> List[str]:
    """Return the matrix of plugins and images, then the reason of each step that did not pass."""
    rows = [("image", *(plugin.title for plugin in result.plugins))]
    width = len(result.plugins)
    names = [image.path.rpartition("/")[2] for image in result.images]
    shown = names if len(set(names)) == len(names) and all(names) else [
        image.path for image in result.images]
    for number in range(len(result.images)):
        cells = result.cells[number * width:(number + 1) * width]
        rows.append((shown[number], *("passed" if cell.passed else "failed" for cell in cells)))
    return [*table(rows), *_reasons(result), *result.notes]


def _reasons(result: Matrix) -> Iterator[str]:
    """Yield the reasons with the steps that they are about; equal ones are told once."""
    headings: Dict[Tuple[str, ...], List[str]] = {}
    for cell in result.cells:
        for trial in cell.trials:
            for step in _told(trial):
                headings.setdefault(tuple(reason(step)), []).append(
                    f"{cell.plugin.title} in {cell.image.path}, {trial.title}, {step.name}:"
                    f" {step.outcome}")
    for lines, names in headings.items():
        yield from names
        yield from (f"  {line}" for line in lines)


def _told(trial: Trial) -> Iterator[TrialStep]:
    """Yield the steps that have a reason of their own; not what a failed step prevented."""
    failed = False
    for step in trial.steps:
        failed = failed or step.outcome == FAILED
        if (step.outcome == FAILED or step.outcome == SKIPPED and not failed
                or step.name == "compare" and step.notes):
            yield step


def reason(step: TrialStep) -> List[str]:
    """Return the lines about one step."""
    texts = [*([step.error.message, step.error.hint] if step.error is not None else []),
             step.because, *step.notes]
    return [line for text in texts if text for line in text.split("\n")]
