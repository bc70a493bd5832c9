"""The command ``dnf node-plugin``, and the hooks that keep its rules in every dnf run.

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
    from typing import Any, ContextManager, Dict, Iterator, List, Optional, Sequence

    from ovirt_node_plugin.errors import NodePluginError, Status
    from ovirt_node_plugin.packages.policy import Policy

logger = logging.getLogger("dnf")

_SILENT = logging.CRITICAL + 1

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
                command.keep_out_late(type(self), gate.policy)
            gate.before_repos()
            if command is not None:
                command.prepare(gate.policy)

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
        return command.reported() if command is not None else _fail_closed()

    def _tell_notes(self) -> None:
        for note in self._gate.take_notes() if self._gate is not None else ():
            logger.warning("%s", note)


class NodePluginCommand(dnf.cli.Command):
    """Parse, call, print: the work is done in ovirt_node_plugin.operations."""

    aliases = ("node-plugin",)
    summary = "install, remove and look at plugins of an oVirt Node image or of a host"

    def __init__(self, cli: Any) -> None:
        super().__init__(cli)
        self._stack = contextlib.ExitStack()
        self._policy: Any = None
        self._bundles: List[Any] = []
        self._rest: List[str] = []
        self._document: Optional[_Document] = None
        words = getattr(self.base, "args", None) or ()
        if "--json" in words and not {"-h", "--help"}.intersection(words):
            self._document = _Document()

    @staticmethod
    def set_argparser(parser: Any) -> None:
        from ovirt_node_plugin.report.usage import add_arguments
        add_arguments(parser)

    def pre_configure(self) -> None:
        """Keep standard output for the answer where that is for a program."""
        if self._document is not None and not self.opts.verbose:
            self.cli.redirect_logger(stdout=_SILENT, stderr=_SILENT)

    def keep_out_late(self, own: type, policy: Policy) -> None:
        """Stop other plugins that DNF has made already, which may have acted.

        So it is where --enableplugin or an alias hides from ``read_config`` what this run is.
        Raises Refused where the root would be changed.
        """
        from ovirt_node_plugin.packages import others
        if policy.target.live:
            return
        started = {type(plugin) for plugin in self.base._plugins.plugins}
        names = others.keep_out(own, policy.config.others_off, among=started)
        if names:
            error = others.late(names, str(policy.target.root), enabled=self.opts.enableplugin)
            if self.opts.subcommand in ("install", "remove", "upgrade"):
                raise error
            logger.warning("%s.\n%s", error.message, error.hint)

    def prepare(self, policy: Policy) -> None:
        """Open what the command line names, before DNF reads its repositories."""
        from ovirt_node_plugin.operations import find
        from ovirt_node_plugin.packages import rpmdb
        from ovirt_node_plugin.policy.opened_paths import refuse_ways_out, refuse_written
        from ovirt_node_plugin.report.usage import check_arguments, check_flags
        from ovirt_node_plugin.system.run import run
        self._policy = policy
        check_arguments(self.opts)
        check_flags(self.opts.subcommand, self.base.conf.tsflags)
        if self.opts.subcommand not in ("add", "drop"):
            rpmdb.require_system(policy.target.root)
            if not policy.target.live:
                root, conf = policy.target.root, self.base.conf
                refuse_ways_out(root, str(root))
                refuse_written(root, str(root), cache=conf.cachedir, logs=conf.logdir)
        if self.opts.subcommand == "add":
            self._bundles = find.open_paths(self.opts.names, self._stack, run=run)
        elif self.opts.subcommand in ("install", "info"):
            self._bundles, self._rest = find.open_named(
                self.opts.names, self._library(), self._stack, run=run)
        for bundle in self._bundles:
            policy.add_bundle(bundle)

    def configure(self) -> None:
        """Tell DNF what the run needs; this command fills the sack and solves itself."""
        from ovirt_node_plugin.packages.repos import add_bundle_repo
        self.cli.demands.sack_activation = False
        self.cli.demands.available_repos = True
        self.cli.demands.root_user = self.opts.subcommand in (
            "install", "remove", "upgrade", "add", "drop")
        with self.reported():
            if self.opts.subcommand in ("install", "upgrade", "info"):
                for bundle in self._bundles:
                    repo_id = add_bundle_repo(self.base, bundle, options=self.opts)
                    if repo_id is not None and self.opts.subcommand == "info":
                        self.base.repos[repo_id].skip_if_unavailable = True

    def run(self) -> None:
        """Run the subcommand and set the exit status."""
        with self.reported(), self._stack:
            handler = getattr(self, f"run_{self.opts.subcommand}")
            with self._recovered():
                status = handler()
            if status:
                self.cli.demands.success_exit_status = int(status)

    def run_install(self) -> Status:
        from ovirt_node_plugin.operations import find, install
        from ovirt_node_plugin.operations.apply import change
        session = self._session()
        change.refuse_unwritable(session.target, live_allowed=self._policy.config.live)
        self._fill(session)
        bundles = self._bundles + find.find_in_metadata(self._rest, session)
        return self._install(install.plan(bundles, session, run=_program_runner()), session)

    def run_upgrade(self) -> Status:
        from ovirt_node_plugin.operations import find, install
        from ovirt_node_plugin.operations.apply import change
        from ovirt_node_plugin.packages.repos import add_bundle_repo
        session = self._session()
        change.refuse_unwritable(session.target, live_allowed=self._policy.config.live)
        for bundle in find.library_upgrades(self.opts.names, session, self._stack,
                                            run=_program_runner()):
            add_bundle_repo(self.base, bundle, options=self.opts)
            self._bundles.append(bundle)
        self._fill(session)
        bundles = find.newer(self.opts.names, self._bundles, session)
        return self._install(install.plan(bundles, session, run=_program_runner()), session)

    def run_remove(self) -> Status:
        from ovirt_node_plugin.errors import Status
        from ovirt_node_plugin.operations import remove
        from ovirt_node_plugin.operations.apply import change
        session = self._session()
        change.refuse_unwritable(session.target, live_allowed=self._policy.config.live)
        self._fill(session, repos=False)
        ready = remove.plan(self.opts.names, session, keep_modified=self.opts.keep_modified,
                            run=_program_runner())
        if self._agreed(ready.plan):
            done = remove.carry_out(ready, session, displays=self._displays(),
                                    run=_program_runner())
            self._done_with(ready.plan, done.notes, deltas=done.deltas)
        return Status.DONE

    def run_list(self) -> Status:
        from ovirt_node_plugin.operations import query
        from ovirt_node_plugin.report import plan_data as data
        from ovirt_node_plugin.report import plan_text as text
        session = self._session()
        wants = query.Wants.of(installed=self.opts.installed, available=self.opts.available,
                               everything=self.opts.all)
        self._fill(session, repos=wants.available)
        listing = query.list_plugins(session, wants, names=self.opts.names,
                                     run=_program_runner())
        return self._answer(data.listing(listing), text.listing(listing))

    def run_info(self) -> Status:
        from ovirt_node_plugin.operations import query
        from ovirt_node_plugin.report import plan_data as data
        from ovirt_node_plugin.report import plan_text as text
        session = self._session()
        self._fill(session)
        found = query.info(session, self._bundles, self._rest, run=_program_runner())
        return self._answer(data.infos(found), text.infos(found))

    def run_manifest(self) -> Status:
        from ovirt_node_plugin.operations import manifest
        from ovirt_node_plugin.report import manifest_data, manifest_text
        shows = manifest.Shows(packages=self.opts.packages, files=self.opts.files,
                                settings=self.opts.settings, delta=self.opts.delta)
        found = manifest.manifests(self._policy.target.root, self.opts.names, shows)
        return self._answer(manifest_data.manifests(found, shows),
                            manifest_text.manifests(found, shows))

    def run_verify(self) -> Status:
        from ovirt_node_plugin.errors import Status
        from ovirt_node_plugin.operations import query
        from ovirt_node_plugin.report import plan_data as data
        from ovirt_node_plugin.report import plan_text as text
        session = self._session()
        self._fill(session, repos=False)
        checks = query.verify(session, self.opts.names, run=_program_runner())
        self._answer(data.checks(checks), text.checks(checks))
        return Status.BROKEN if any(check.problems for check in checks) else Status.DONE

    def run_repos(self) -> Status:
        from ovirt_node_plugin.report import plan_data as data
        from ovirt_node_plugin.report import plan_text as text
        states = self._policy.states()
        return self._answer(data.repos(states), text.repos(states))

    def run_add(self) -> Status:
        places = [str(self._library().add(bundle)) for bundle in self._bundles]
        return self._answer({"added": places}, [f"Added {place}." for place in places])

    def run_drop(self) -> Status:
        places = [str(self._library().drop(name)) for name in self.opts.names]
        return self._answer({"dropped": places}, [f"Dropped {place}." for place in places])

    def _library(self) -> Any:
        from ovirt_node_plugin.plugin.library import Library
        return Library(self._policy.config.library)

    def _session(self) -> Any:
        from ovirt_node_plugin.packages.session import Session
        return Session(self._policy)

    def _fill(self, session: Any, *, repos: bool = True) -> None:
        if self._document is not None:
            self.cli.redirect_repo_progress(sys.stderr)
        session.fill(repos=repos)

    def _install(self, ready: Any, session: Any) -> Status:
        from ovirt_node_plugin.errors import Status
        from ovirt_node_plugin.operations import install
        if self._agreed(ready.plan):
            session.check_signatures(trust_keys=self.opts.trust_keys,
                                     bundle_repos=self._policy.bundle_repos())
            notes = install.carry_out(ready, session, displays=self._displays())
            self._done_with(ready.plan, notes)
        return Status.DONE

    def _agreed(self, plan: Any) -> bool:
        """Show the plan; say if it is to be carried out.

        Raises NodePluginError where the user says no.
        """
        from ovirt_node_plugin.errors import NodePluginError
        from ovirt_node_plugin.report import plan_data as data
        from ovirt_node_plugin.report import plan_text as text
        conf = self.base.conf
        dry = self.opts.dry_run or not plan.changes
        if self._document is not None:
            if dry or conf.assumeno:
                self._document.print({**data.plan(plan), "done": False})
        else:
            # -q hides what is logged, but not what there is to decide on
            hidden = self.opts.quiet and (dry or not conf.assumeyes)
            for line in text.plan(plan):
                if hidden:
                    print(line)
                logger.info("%s", line)
        if dry:
            return False
        if conf.assumeno or not (conf.assumeyes or self.base.output.userconfirm()):
            raise NodePluginError("Operation aborted.")
        return True

    def _done_with(self, plan: Any, notes: Sequence[str], *, deltas: Sequence[Any] = ()) -> None:
        import dataclasses

        from ovirt_node_plugin.report import manifest_data, manifest_text
        from ovirt_node_plugin.report import plan_data as data
        from ovirt_node_plugin.report import plan_text as text
        plan = dataclasses.replace(plan, notes=(*plan.notes, *notes))
        if self._document is not None:
            more = {"deltas": list(map(manifest_data.delta, deltas))} if deltas else {}
            self._document.print({**data.plan(plan), "done": True, **more})
        for line in (*map(manifest_text.removed, deltas), *text.done(plan)):
            logger.info("%s", line)
        for note in notes:
            logger.warning("Note: %s", note)

    def _displays(self) -> Sequence[Any]:
        from dnf.cli.output import CliTransactionDisplay
        return [] if self._document is not None else [CliTransactionDisplay()]

    def _answer(self, data: Dict[str, Any], lines: Sequence[str]) -> Status:
        from ovirt_node_plugin.errors import Status
        if self._document is not None:
            self._document.print(data)
        else:
            for line in lines:
                print(line)
        return Status.DONE

    @contextlib.contextmanager
    def _recovered(self) -> Iterator[None]:
        """Hold the root's lock for what writes, and undo what a killed process left."""
        from ovirt_node_plugin.operations.apply import change
        if self.opts.subcommand in ("add", "drop"):
            yield
            return
        with change.guarded(self._policy.target,
                            writes=self.cli.demands.root_user,
                            run=_program_runner()) as notice:
            if notice:
                logger.warning("%s", notice)
            yield

    @contextlib.contextmanager
    def reported(self) -> Iterator[None]:
        """Turn every error into one paragraph and an exit status; no traceback."""
        from ovirt_node_plugin.errors import Locked, NodePluginError
        try:
            yield
        except NodePluginError as exc:
            self._fail(exc)
        except dnf.exceptions.LockError as exc:
            self._fail(Locked(str(exc), hint="Wait until the other process is done."))
        except (dnf.exceptions.Error, OSError) as exc:
            cause = exc.__cause__
            self._fail(cause if isinstance(cause, NodePluginError) else NodePluginError(str(exc)))
        except Exception as exc:  # a fault of ours: the traceback is for -v
            logger.debug("", exc_info=True)
            self._fail(NodePluginError(
                f"internal error: {type(exc).__name__}: {exc}",
                hint="Run the command again with -v and report what it prints."))

    def _fail(self, error: NodePluginError) -> None:
        self._stack.close()
        if self._document is not None:
            from ovirt_node_plugin.report import plan_data as data
            self._document.print(data.error(error))
        else:
            logger.critical("Error: %s", error)
        sys.exit(int(error.status))


class _Document(logging.Handler):
    """Standard output as one JSON document, also where DNF itself ends the run with an error."""

    def __init__(self) -> None:
        import atexit
        super().__init__(logging.CRITICAL)
        self._printed = False
        self._messages: List[str] = []
        logger.addHandler(self)
        atexit.register(self._print_failure)

    def emit(self, record: logging.LogRecord) -> None:
        self._messages.append(record.getMessage())

    def print(self, data: Dict[str, Any]) -> None:
        """Print the document; any after the first is passed over."""
        import json
        if not self._printed:
            self._printed = True
            print(json.dumps({"format": 1, **data}, indent=2, sort_keys=True), flush=True)

    def _print_failure(self) -> None:
        if self._printed:
            return
        from ovirt_node_plugin.errors import NodePluginError, UsageError
        from ovirt_node_plugin.report import plan_data as data
        text = "\n".join(self._messages)
        if text:
            self.print(data.error(NodePluginError(
                text[len("Error: "):] if text.startswith("Error: ") else text)))
        else:
            self.print(data.error(UsageError(
                "the command line makes no sense", hint="Standard error says why.")))


def _program_runner() -> Any:
    from ovirt_node_plugin.system.run import run
    return run


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
