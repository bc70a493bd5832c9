"""One run of the program: its work folders, its way to run dnf, and its output."""
from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Optional, Sequence

from ..errors import NodePluginError, UsageError
from ..images import workspace
from ..images.dnf_program import Dnf, DnfFailed
from ..report.progress import JsonLines, for_people
from ..system.json_answer import ErrorAnswer, with_format
from ..system.json_data import Data
from ..system.progress import Progress
from ..system.run import attached, run
from ..system.words import printable
from . import arguments


class Invocation:
    """One run of the program, with the ``options`` of its command line.

    ``make_folders`` sets ``folder``, the work folder of this run, and ``destination``, where
    the output is written, None for a command without output.
    """

    def __init__(self, options: arguments.ProgramOptions) -> None:
        self.options = options
        self.json = options.json
        # merge also prints its progress as JSON, one object on each line
        self._lines = self.json and options.command == "merge"
        self.progress: Progress = (JsonLines(sys.stdout) if self._lines
                                   else for_people(sys.stderr))
        self.folder = Path()
        self.destination: Optional[workspace.Destination] = None

    def make_folders(self, stack: contextlib.ExitStack) -> None:
        """Make the folders of this run, which are removed at the end of ``stack``.

        Raises UsageError for an output that cannot be written.
        """
        output = self.options.output
        if not self.options.dry_run:
            self._check_output(output)
            if output is not None:
                self._refuse_inside(output.absolute().parent)
                self.destination = stack.enter_context(workspace.destination(
                    output, replace=getattr(self.options, "force", False)))
        self._refuse_inside(self.work_parent)
        self.folder = stack.enter_context(workspace.work_folder(self.work_parent))

    @property
    def work_parent(self) -> Path:
        """The folder for large temporary files, absolute. Raises UsageError if it is missing."""
        folder = self.options.work_dir or workspace.default_parent()
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder} for temporary files",
                             hint="Give one with --work-dir, with space for the unpacked image.")
        return folder.resolve()

    @property
    def dnf(self) -> Dnf:
        """The way to run dnf, with the options of the command line."""
        return Dnf(tuple(arguments.dnf_options(self.options)), run, attached)

    def answer(self, document: Data, lines: Sequence[str]) -> None:
        """Print a result as JSON, or as lines of text."""
        if self.json:
            self._print("result", document)
        else:
            for line in lines:
                print(printable(line), flush=True)

    def failed(self, error: NodePluginError) -> int:
        """Print an error; return its exit status."""
        if not self.json:
            for line in f"Error: {error}".split("\n"):
                print(printable(line), file=sys.stderr)
        else:  # the answer of dnf has more details than the exception
            answer = error.answer if isinstance(error, DnfFailed) else ErrorAnswer.of(error)
            self._print("error", answer.to_data())
        return int(error.status)

    def _refuse_inside(self, folder: Path) -> None:
        """Raise UsageError if ``place`` is in the image, which may be a folder."""
        image: Optional[Path] = getattr(self.options, "image", None)
        if image is not None and image.is_dir() and (
                image.resolve() in (folder.resolve(), *folder.resolve().parents)):
            raise UsageError(f"{folder} is in the image {image}, which is never written to",
                             hint="Name another folder.")

    def _check_output(self, output: Optional[Path]) -> None:
        if output is None:
            if self.options.command == "merge":
                raise UsageError("merge needs the name of the image to write",
                                 hint="Give -o OUTPUT, or --dry-run to see the plan only.")
            return
        if not output.absolute().parent.is_dir():
            raise UsageError(f"there is no folder {output.absolute().parent} to write to",
                             hint="Create it, or give another name with -o.")
        if not os.path.lexists(output):
            return
        image = self.options.image
        if image.exists() and output.exists() and os.path.samefile(image, output):
            raise UsageError(f"{output} is the input, which is never written to",
                             hint="Give another name with -o.")
        if not getattr(self.options, "force", False):
            forced = ", or --force to replace it" if hasattr(self.options, "force") else ""
            raise UsageError(f"{output} exists already",
                             hint=f"Give another name with -o{forced}.")
        if not output.is_file() or output.is_symlink():
            raise UsageError(f"{output} is not a regular file and cannot be replaced",
                             hint="Give another name with -o.")

    def _print(self, event: str, document: Data) -> None:
        if self._lines:
            print(json.dumps(with_format({"event": event, **document}), sort_keys=True),
                  flush=True)
        else:
            print(json.dumps(with_format(document), indent=2, sort_keys=True), flush=True)
