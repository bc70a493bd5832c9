"""The dnf program in which ``dnf node-plugin`` runs: its options, display and errors."""
from __future__ import annotations

import contextlib
import logging
from typing import Collection, Iterator, Optional, Sequence, Set, TextIO, Tuple

import dnf.exceptions

from ..errors import Locked, NodePluginError
from ..system.words import printable
from . import command_line, others
from .displays import PackageMessages
from .dnf_types import DnfBase, DnfCliCommand, DnfDisplay


class PrintableRecord(logging.LogRecord):
    """A log message whose text has no control characters, whoever wrote it."""

    def getMessage(self) -> str:
        """Return the message, with escapes for all but line ends and tabs."""
        return printable(super().getMessage(), keep="\n\t")


class Console:
    """The dnf program, in whose run ``command`` is the one that was asked for."""

    def __init__(self, command: DnfCliCommand) -> None:
        self._base = command.base
        self._cli = command.cli

    @property
    def words(self) -> Sequence[str]:
        """The command line."""
        return command_line.words_of(self._base)

    @property
    def tsflags(self) -> Collection[str]:
        """The flags of rpm's transaction, dnf.conf(5) "tsflags"."""
        return self._base.conf.tsflags

    @property
    def cache(self) -> str:
        """The folder of DNF's cache."""
        return self._base.conf.cachedir

    @property
    def logs(self) -> str:
        """The folder of DNF's logs."""
        return self._base.conf.logdir

    @property
    def plugin_options(self) -> Sequence[str]:
        """The options with which another dnf finds the same plugins and their configuration."""
        conf = self._base.conf
        return [f"--setopt={name}={','.join(folders)}" for name, folders in (
            ("pluginpath", conf.pluginpath), ("pluginconfpath", conf.pluginconfpath))]

    @property
    def assumes_yes(self) -> bool:
        """Whether questions count as answered by yes."""
        return bool(self._base.conf.assumeyes)

    @property
    def assumes_no(self) -> bool:
        """Whether questions count as answered by no."""
        return bool(self._base.conf.assumeno)

    @property
    def needs_root(self) -> bool:
        """Whether the command may only run as root; see ``configure``."""
        return self._cli.demands.root_user

    def configure(self, *, needs_root: bool) -> None:
        """Tell DNF what the run needs: repositories, but no sack, which ``Session`` fills.

        Tables of DNF have no colors, as control characters are not printed.
        """
        output = self._base.output
        if output is not None:
            output.term.reinit(color="never")
        demands = self._cli.demands
        demands.sack_activation = False
        demands.available_repos = True
        demands.root_user = needs_root

    def set_status(self, status: int) -> None:
        """Set the exit status of a run without an error."""
        self._cli.demands.success_exit_status = status

    def print_messages_from(self, level: int, *, errors: Optional[int] = None) -> None:
        """Print only messages of at least this level of the module logging.

        To standard error, print those of at least the level ``errors``.
        """
        self._cli.redirect_logger(stdout=level, stderr=level if errors is None else errors)

    def print_progress_to(self, stream: TextIO) -> None:
        """Print the progress of downloads to another stream than standard output."""
        self._cli.redirect_repo_progress(stream)

    def confirmed(self) -> bool:
        """Ask the user whether to go on, unless an option answers that."""
        output = self._base.output
        return not self.assumes_no and (
            self.assumes_yes or (output is not None and output.userconfirm()))

    def accepted(self) -> bool:
        """Ask the user to accept a risk, unless an option answers that; see ``explicit_yes``."""
        return not self.assumes_no and (self.assumes_yes or explicit_yes(self._base))

    def plugin_classes(self) -> Set[type]:
        """Return the classes of the plugins that DNF has made in this run."""
        return others.started(self._base)


def explicit_yes(base: DnfBase) -> bool:
    """Ask the user; return whether the answer is yes, which an empty one is not.

    With defaultyes of dnf.conf(5) an empty answer to DNF's own questions is a yes.
    """
    if base.output is None:
        return False
    before = base.conf.defaultyes
    base.conf.defaultyes = False
    try:
        return base.output.userconfirm()
    finally:
        base.conf.defaultyes = before


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn every error of DNF, and every OSError, into a NodePluginError.

    An error of DNF that a hook raised for a NodePluginError becomes that one again. A lock
    of DNF that another process holds gives Locked.
    """
    try:
        yield
    except dnf.exceptions.LockError as exc:
        raise Locked(str(exc), hint="Wait until the other process is done.") from exc
    except (dnf.exceptions.Error, OSError) as exc:
        if isinstance(exc.__cause__, NodePluginError):
            raise exc.__cause__ from None
        raise NodePluginError(str(exc)) from exc


def transaction_displays(*, messages: bool = False) -> Tuple[DnfDisplay, ...]:
    """Return what displays a running transaction as dnf itself does, or as ``messages``."""
    if messages:
        return (PackageMessages(),)
    from dnf.cli.output import CliTransactionDisplay
    return (CliTransactionDisplay(),)
