"""The hooks that keep the rules of plugins in every dnf run, and what DNF knows of the command.

Every dnf command reads this file, so what only ``dnf node-plugin`` needs is imported
where it is used.
"""
from __future__ import annotations

import contextlib
import logging
import sys

import dnf
import dnf.cli
import dnf.exceptions

from ovirt_node_plugin.packages.gate import Gate

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing's own constant would cost the import of typing
    from typing import Any, ContextManager, Dict, Iterator, Optional

logger = logging.getLogger("dnf")

if {"node-plugin", "--json"}.issubset(sys.argv):
    # DNF with -v writes to standard output before a command can say what it is for
    for _handler in logger.handlers:
        if isinstance(_handler, logging.StreamHandler) and _handler.stream is sys.stdout:
            _handler.setStream(sys.stderr)


class NodePlugin(dnf.Plugin):
    """The hooks. DNF ignores what they raise, unless it is an Error of its own."""

    name = "node-plugin"
    config_name = "node-plugin"
    _made = False

    def __init__(self, base: Any, cli: Any) -> None:
        super().__init__(base, cli)
        NodePlugin._made = True
        self._gate: Optional[Gate] = None
        if cli is not None:
            cli.register_command(NodePluginCommand)

    @classmethod
    def read_config(cls, conf: Any) -> Any:
        """Return node-plugin.conf, parsed.

        DNF calls this to see what is enabled, before it makes the first plugin of any class:
        the last moment to keep out those that act when they are made.
        """
        parser = super().read_config(conf)
        if not cls._made and "node-plugin" in sys.argv:
            with _fail_closed():
                _keep_others_out(cls, conf, parser)
        return parser

    def pre_config(self) -> None:
        with self._reported():
            gate = self._opened()
            command = self._command()
            if command is not None:
                command.work.keep_out_late(type(self), gate.policy)
            gate.before_repos()
            if command is not None:
                command.work.prepare(gate.policy)

    def config(self) -> None:
        with self._reported():
            self._opened().after_repos()
            self._tell_notes()

    def sack(self) -> None:
        with _fail_closed():
            self._opened().after_sack(
                transaction=self.cli is None or bool(self.cli.demands.resolving))
            self._tell_notes()

    def resolved(self) -> None:
        with _fail_closed():
            self._opened().after_solve()

    def pre_transaction(self) -> None:
        with _fail_closed():
            self._opened().before_transaction()

    def _opened(self) -> Gate:
        """Return the rules of this run; a program may leave out the first hooks."""
        if self._gate is None:
            self._gate = Gate(
                self.base, lambda: _read_options(self),
                options=getattr(getattr(self.cli, "command", None), "opts", None),
                plugin_run=self._command() is not None)
        return self._gate

    def _command(self) -> Optional[NodePluginCommand]:
        command = getattr(self.cli, "command", None)
        return command if isinstance(command, NodePluginCommand) else None

    def _reported(self) -> ContextManager[None]:
        """Let errors end the run: our own command has statuses for them, dnf's others one."""
        command = self._command()
        return command.work.reported() if command is not None else _fail_closed()

    def _tell_notes(self) -> None:
        for note in self._gate.take_notes() if self._gate is not None else ():
            logger.warning("%s", note)


class NodePluginCommand(dnf.cli.Command):
    """What DNF knows of the command; the work is done in ovirt_node_plugin.cli.dnf_command.

    DNF makes a command only when it is the one that was asked for.
    """

    aliases = ("node-plugin",)
    summary = "install, remove and look at plugins of an oVirt Node image or of a host"

    def __init__(self, cli: Any) -> None:
        super().__init__(cli)
        with _fail_closed():
            from ovirt_node_plugin.cli.dnf_command import DnfCommand
            self.work = DnfCommand(self)

    @staticmethod
    def set_argparser(parser: Any) -> None:
        from ovirt_node_plugin.cli.dnf_arguments import add_arguments
        add_arguments(parser)

    def pre_configure(self) -> None:
        self.work.pre_configure()

    def configure(self) -> None:
        self.work.configure()

    def run(self) -> None:
        self.work.run()


@contextlib.contextmanager
def _fail_closed() -> Iterator[None]:
    """Make every failure of a hook one that DNF stops at."""
    try:
        yield
    except (dnf.exceptions.Error, SystemExit):
        raise
    except Exception as exc:  # DNF would log any other type and go on
        if hasattr(exc, "hint"):  # a NodePluginError; its module may be what is missing
            raise dnf.exceptions.Error(str(exc)) from exc
        logger.debug("", exc_info=True)
        raise dnf.exceptions.Error(f"node-plugin policy: {type(exc).__name__}: {exc}") from exc


def _read_options(plugin: NodePlugin) -> Dict[str, str]:
    """Return the options of node-plugin.conf, from the folders where DNF looks for it."""
    return _main_options(plugin.read_config(plugin.base.conf))


def _main_options(parser: Any) -> Dict[str, str]:
    if not parser.has_section("main"):
        return {}
    return {name: parser.get("main", name) for name in parser.options("main")}


def _keep_others_out(own: type, conf: Any, parser: Any) -> None:
    """Keep other plugins out of a run of our command on a root that is not this system."""
    from pathlib import Path

    from ovirt_node_plugin.config import read_others_off
    from ovirt_node_plugin.packages import others
    from ovirt_node_plugin.target import is_running_system
    if is_running_system(Path(conf.installroot)) or not others.is_asked(sys.argv[1:]):
        return
    names = others.keep_out(own, read_others_off(_main_options(parser)))
    logger.debug("node-plugin: other plugins kept out: %s", ", ".join(names))


__all__ = ["NodePlugin", "NodePluginCommand"]
