"""The hooks that apply the rules of plugins in every dnf run, and DNF's class of the command.

Every dnf command imports this file, so what only ``dnf node-plugin`` needs is imported
where it is used.
"""
from __future__ import annotations

import contextlib
import logging
import sys
import traceback

import dnf
import dnf.cli
import dnf.exceptions

from ovirt_node_plugin.packages.gate import Gate

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing's own constant would cost the import of typing
    import argparse
    from typing import ContextManager, Dict, Iterator, Optional

    from ovirt_node_plugin.cli.image_update import ImageUpdate
    from ovirt_node_plugin.packages.dnf_types import DnfBase, DnfCli, DnfConf, DnfConfigParser

logger = logging.getLogger("dnf")

if {"node-plugin", "--json"}.issubset(sys.argv):
    # DNF with -v writes to standard output before a command can redirect that
    for _handler in logger.handlers:
        if isinstance(_handler, logging.StreamHandler) and _handler.stream is sys.stdout:
            _handler.setStream(sys.stderr)


class NodePlugin(dnf.Plugin):
    """The hooks. DNF ignores exceptions other than its own Error."""

    name = "node-plugin"
    config_name = "node-plugin"
    _made = False

    def __init__(self, base: DnfBase, cli: Optional[DnfCli]) -> None:
        super().__init__(base, cli)
        NodePlugin._made = True
        self._gate: Optional[Gate] = None
        self._image_update: Optional[ImageUpdate] = None
        if cli is not None:
            cli.register_command(NodePluginCommand)

    @classmethod
    def read_config(cls, conf: DnfConf) -> DnfConfigParser:
        """Return node-plugin.conf, parsed.

        DNF calls this to find out what is enabled, before it makes the first plugin of any
        class: the last moment to disable those that act when they are made.
        """
        parser: DnfConfigParser = super().read_config(conf)
        if not cls._made and "node-plugin" in sys.argv:
            with _fail_closed():
                _keep_others_out(cls, conf, parser)
        return parser

    def pre_config(self) -> None:
        with self._reported():
            gate = self._opened()
            command = self._command()
            if command is not None:
                command.work.disable_started_plugins(type(self), gate.policy)
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
            self._tell_notes()

    def pre_transaction(self) -> None:
        with _fail_closed():
            self._opened().before_transaction()
            if self._opened().replaces_image():
                from ovirt_node_plugin.cli.image_update import ImageUpdate
                conf = self.base.conf
                self._image_update = ImageUpdate(self._opened().policy.config, [
                    f"--setopt={name}={','.join(getattr(conf, name))}"
                    for name in ("pluginpath", "pluginconfpath")])

    def transaction(self) -> None:
        if self._image_update is not None:
            with _fail_closed():
                text = self._image_update.finish()
                logger.log(logging.INFO if self._image_update.complete else logging.WARNING,
                           "%s", _printable(text))

    def _opened(self) -> Gate:
        """Return the gate of this run; a program may not call the first hooks."""
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
        """Let errors end the run; ``dnf node-plugin`` has an exit status for each kind."""
        command = self._command()
        return command.work.reported() if command is not None else _fail_closed()

    def _tell_notes(self) -> None:
        for note in self._gate.take_notes() if self._gate is not None else ():
            logger.warning("%s", _printable(note))


class NodePluginCommand(dnf.cli.Command):
    """DNF's class of the command; ovirt_node_plugin.cli.dnf_command does the work.

    DNF makes an object of it only for a command line that names the command.
    """

    aliases = ("node-plugin",)
    summary = "install, remove and look at plugins of an oVirt Node image or of a host"

    def __init__(self, cli: DnfCli) -> None:
        super().__init__(cli)
        with _fail_closed():
            from ovirt_node_plugin.cli.dnf_command import DnfCommand
            self.work = DnfCommand(self)

    @staticmethod
    def set_argparser(parser: argparse._ActionsContainer) -> None:
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
    """Turn every failure of a hook into an error that stops DNF."""
    try:
        yield
    except (dnf.exceptions.Error, SystemExit):
        raise
    except Exception as exc:  # DNF would log any other type and go on
        if hasattr(exc, "hint"):  # a NodePluginError; its module may be the one that is missing
            raise dnf.exceptions.Error(_printable(str(exc))) from exc
        logger.debug("%s", _printable(traceback.format_exc()))
        raise dnf.exceptions.Error(
            _printable(f"node-plugin policy: {type(exc).__name__}: {exc}")) from exc


def _printable(text: str) -> str:
    from ovirt_node_plugin.system.words import printable
    return printable(text, keep="\n")


def _read_options(plugin: NodePlugin) -> Dict[str, str]:
    """Return the options of node-plugin.conf, from DNF's folders of plugin configuration."""
    return _main_options(plugin.read_config(plugin.base.conf))


def _main_options(parser: DnfConfigParser) -> Dict[str, str]:
    if not parser.has_section("main"):
        return {}
    return {name: parser.get("main", name) for name in parser.options("main")}


def _keep_others_out(own: type, conf: DnfConf, parser: DnfConfigParser) -> None:
    """Disable other plugins if our command runs on a root that is not the running system."""
    from pathlib import Path

    from ovirt_node_plugin.config import read_others_off
    from ovirt_node_plugin.packages import others
    from ovirt_node_plugin.target import is_running_system
    if is_running_system(Path(conf.installroot)) or not others.is_asked(sys.argv[1:]):
        return
    names = others.keep_out(own, read_others_off(_main_options(parser)))
    logger.debug("node-plugin: other plugins kept out: %s", _printable(", ".join(names)))


__all__ = ["NodePlugin", "NodePluginCommand"]
