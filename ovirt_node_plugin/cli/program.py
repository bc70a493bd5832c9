"""One run of the program: its work folders, its way to run dnf, and its output."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import sys
from pathlib import Path
from typing import Optional, Sequence, TextIO, Tuple

from .. import __version__
from ..errors import NodePluginError, UsageError
from ..images import workspace
from ..images.dnf_program import Dnf, DnfFailed
from ..report import merge_log
from ..report.progress import JsonLines, for_people, print_answer
from ..system.json_answer import ErrorAnswer
from ..system.json_data import Data
from ..system.progress import Progress, Silent
from ..system.run import Runner, run
from ..system.words import printable
from . import arguments, hints, operands
from .shown import ShownPaths


class Invocation:
    """One run of the program: the command line ``argv``, and its parsed ``options``.

    ``run`` starts programs, and ``shown`` names paths in messages. ``images`` are those of the
    command line; ``outputs`` are their outputs, if there are any. ``make_folders`` sets ``folder``,
    the work folder of this run, and ``destinations``, where the outputs are written.
    """

    def __init__(self, options: arguments.ProgramOptions, argv: Sequence[str]) -> None:
        self.options = options
        self.json = options.json
        merges = options.command == "merge"
        # merge also prints its progress as JSON, one object on each line
        self._lines = self.json and merges
        self.progress: Progress = (
            JsonLines(sys.stdout) if self._lines else Silent() if options.quiet
            else for_people(sys.stderr, lines=merges or options.command == "try"))
        self.run: Runner = merge_log.logged_runner(run, _print_error) if options.verbose else run
        self._argv = argv
        self._log: Optional[TextIO] = None
        # the folders of look.diff and merge.merge
        images = {"old": "old", "new": "new", "other": "plugins_from"}
        self.shown = ShownPaths(
            os.path.abspath(getattr(options, "image", "")),
            {folder: os.path.abspath(path) for folder, name in images.items()
             for path in [getattr(options, name, None)] if path})
        self.images: Tuple[Path, ...] = ()
        self.outputs: Tuple[Path, ...] = ()
        self.folder = Path()
        self.destinations: Tuple[workspace.Destination, ...] = ()

    def find_images(self) -> None:
        """Find the images of the command line. Raises UsageError as ``operands.split``."""
        options = self.options
        if options.command == "merge":
            self.images, plugins = operands.split(options.image, options.plugins)
            options.plugins = list(plugins)
        elif options.command == "try":
            self.images = tuple(dict.fromkeys(options.on_images))
        else:
            self.images = tuple(path for path in [getattr(options, "image", None)] if path)
        self.shown.add_images({self.image_folder(number): os.path.abspath(image)
                               for number, image in enumerate(self.images)})

    @staticmethod
    def image_folder(number: int) -> str:
        """Return the name of the folder of an image of ``merge`` in the work folder."""
        return f"image-{number}"

    def open_log(self, stack: contextlib.ExitStack) -> None:
        """Open the log of --log, which is closed at the end of ``stack``.

        Raises UsageError for a file that cannot be the log.
        """
        path = self.options.log
        if path is None:
            return
        self._refuse_inside(path.absolute().parent)
        self._log = stack.enter_context(merge_log.opened(path))
        write = merge_log.writer(self._log)
        write(f"ovirt-node-plugin {__version__}: {shlex.join(self._argv)}")
        self.run = merge_log.logged_runner(self.run, write)
        self.progress = merge_log.LoggedSteps(self.progress, write)

    def note(self, text: str) -> None:
        """Write lines to the log, if there is one."""
        if self._log is not None:
            merge_log.writer(self._log)(text)

    def make_folders(self, stack: contextlib.ExitStack) -> None:
        """Make the folders of this run, which are removed at the end of ``stack``.

        Raises UsageError for an output that cannot be written.
        """
        options = self.options
        if options.output_text is not None:
            self.outputs = (
                operands.outputs(self.images, options.output_text, options.site_tag)
                if options.command in ("merge", "shell") else (Path(options.output_text),))
        if options.junit is not None:
            self._refuse_inside(self._folder_of(options.junit))
        for output in self.outputs:
            self._check_output(output)
            self._refuse_inside(output.absolute().parent)
        if not (options.dry_run or options.assumeno):
            if options.command == "merge" and not self.outputs:
                raise UsageError("merge needs the name of the image to write",
                                 hint="Give -o OUTPUT, or --dry-run to see the plan only.")
            self.destinations = tuple(stack.enter_context(workspace.destination(
                output, replace=getattr(options, "force", False))) for output in self.outputs)
            for destination in self.destinations:
                self.shown.add_folder(destination.target.parent, destination.output.parent)
        self._refuse_inside(self.work_parent)
        self.folder = stack.enter_context(workspace.work_folder(self.work_parent))
        self.shown.add_folder(self.folder, self.work_parent)

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
        return Dnf(tuple(arguments.dnf_options(self.options)), self.run)

    def answer(self, document: Data, lines: Sequence[str]) -> None:
        """Print a result as JSON, or as lines of text."""
        if self.json:
            self._print(self.shown.data(document))
        self.say(lines)

    def say(self, lines: Sequence[str], *, asked: bool = False) -> None:
        """Print lines of text, and write them to the log.

        With --json they are not printed, and with -q only those that the user is ``asked`` about.
        """
        for line in map(self.shown.text, lines):
            self.note(line)
            if not self.json and (asked or not self.options.quiet):
                print(printable(line), flush=True)

    def failed(self, error: NodePluginError) -> int:
        """Print an error; return its exit status."""
        # the answer of dnf has more details than the exception
        answer = error.answer if isinstance(error, DnfFailed) else ErrorAnswer.of(error)
        hint, image = answer.hint, getattr(self.options, "image", None)
        if image is not None:
            hint = hints.for_image(hint, image=str(image))
        answer = dataclasses.replace(answer, message=self.shown.text(answer.message),
                                     hint=self.shown.text(hint))
        if self.json:
            self._print(answer.to_data())
        for line in "\n".join(filter(None, (f"Error: {answer.message}", answer.hint))).split("\n"):
            self.note(line)
            if not self.json:
                _print_error(line)
        return int(error.status)

    def _refuse_inside(self, folder: Path) -> None:
        """Raise UsageError if ``folder`` is in the image, which may be a folder."""
        for image in self.images:
            if image.is_dir() and (
                    image.resolve() in (folder.resolve(), *folder.resolve().parents)):
                raise UsageError(f"{folder} is in the image {image}, which is never written to",
                                 hint="Name another folder.")

    @staticmethod
    def _folder_of(output: Path) -> Path:
        """Return the folder to write ``output`` to. Raises UsageError if there is none."""
        folder = output.absolute().parent
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder} to write to",
                             hint="Create it, or give another name.")
        return folder

    def _check_output(self, output: Path) -> None:
        command = self.options.command
        if str(output) == "-":
            printing = " Without -o, extract prints a file." if command == "extract" else ""
            raise UsageError(f"the output of {command} cannot be written to standard output",
                             hint=f"Give another name with -o.{printing}")
        self._folder_of(output)
        images = [image for image in self.images if image.exists()]
        if not os.path.lexists(output) or not images:
            return  # a missing image is refused when it is opened
        if output.exists() and any(os.path.samefile(image, output) for image in images):
            raise UsageError(f"{output} is the input, which is never written to",
                             hint="Give another name with -o.")
        if not getattr(self.options, "force", False):
            forced = ", or --force to replace it" if hasattr(self.options, "force") else ""
            raise UsageError(f"{output} exists already",
                             hint=f"Give another name with -o{forced}.")
        if not output.is_file() or output.is_symlink():
            raise UsageError(f"{output} is not a regular file and cannot be replaced",
                             hint="Give another name with -o.")

    def _print(self, document: Data) -> None:
        print_answer(sys.stdout, document, as_line=self._lines)


def _print_error(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)
