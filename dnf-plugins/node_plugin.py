"""The command ``dnf node-plugin``, and the hooks that keep its rules in every dnf run."""
from __future__ import annotations

import contextlib
import json
import logging
import sys
from typing import Any, Dict, Iterator, List, Optional, Sequence

import dnf
import dnf.cli
import dnf.cli.output
import dnf.exceptions

from ovirt_node_plugin import config
from ovirt_node_plugin.errors import NodePluginError, Status, UsageError
from ovirt_node_plugin.packages.policy import Policy
from ovirt_node_plugin.run import run as run_program

logger = logging.getLogger("dnf")

_SILENT = logging.CRITICAL + 1


class NodePlugin(dnf.Plugin):
    """The hooks. DNF ignores what they raise, unless it is an Error of its own."""

    name = "node-plugin"
    config_name = "node-plugin"

    def __init__(self, base: Any, cli: Any) -> None:
        super().__init__(base, cli)
        self._policy: Optional[Policy] = None
        if cli is not None:
            cli.register_command(NodePluginCommand)

    def pre_config(self) -> None:
        with _fail_closed():
            running = getattr(self.cli, "command", None)
            command = running if isinstance(running, NodePluginCommand) else None
            self._policy = Policy(self.base, _read_config(self), options=getattr(
                running, "opts", None), plugin_run=command is not None)
            self._policy.before_repos()
            if command is not None:
                command.prepare(self._policy)

    def config(self) -> None:
        with _fail_closed():
            if self._policy is not None:
                self._policy.after_repos()

    def sack(self) -> None:
        with _fail_closed():
            if self._policy is not None:
                self._policy.after_sack(
                    transaction=self.cli is None or bool(self.cli.demands.resolving))
                for note in self._policy.take_notes():
                    logger.warning("%s", note)

    def resolved(self) -> None:
        with _fail_closed():
            if self._policy is not None:
                self._policy.after_solve()


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

    @staticmethod
    def set_argparser(parser: Any) -> None:
        from ovirt_node_plugin.report.usage import add_arguments
        add_arguments(parser)

    def pre_configure(self) -> None:
        """Keep standard output for the answer where that is for a program."""
        if self.opts.json:
            self.cli.redirect_logger(stdout=_SILENT, stderr=_SILENT)

    def prepare(self, policy: Policy) -> None:
        """Open what the command line names, before DNF reads its repositories."""
        from ovirt_node_plugin.operations import find
        from ovirt_node_plugin.packages import rpmdb
        from ovirt_node_plugin.report.usage import check_arguments
        self._policy = policy
        with self._reported():
            check_arguments(self.opts)
            if self.opts.subcommand not in ("add", "drop"):
                rpmdb.require_system(policy.target.root)
            if self.opts.subcommand in ("install", "info", "add"):
                self._bundles, self._rest = find.open_named(
                    self.opts.names, self._library(), self._stack, run=run_program)
                for bundle in self._bundles:
                    policy.add_bundle(bundle)

    def configure(self) -> None:
        """Tell DNF what the run needs; this command fills the sack and solves itself."""
        from ovirt_node_plugin.packages.repos import add_bundle_repo
        self.cli.demands.sack_activation = False
        self.cli.demands.available_repos = True
        self.cli.demands.root_user = self.opts.subcommand in (
            "install", "remove", "upgrade", "add", "drop")
        with self._reported():
            if self.opts.subcommand in ("install", "upgrade"):
                for bundle in self._bundles:
                    add_bundle_repo(self.base, bundle, options=self.opts)

    def run(self) -> None:
        """Run the subcommand and set the exit status."""
        with self._reported(), self._stack:
            handler = getattr(self, f"run_{self.opts.subcommand}")
            with self._recovered():
                status = handler()
            if status != Status.DONE:
                self.cli.demands.success_exit_status = int(status)

    def run_install(self) -> Status:
        from ovirt_node_plugin.operations import change, find, install
        session = self._session()
        change.refuse_unwritable(session.target, live_allowed=self._policy.config.live)
        self._fill(session)
        bundles = self._bundles + find.find_in_metadata(self._rest, session)
        return self._install(install.plan(bundles, session, run=run_program), session)

    def run_upgrade(self) -> Status:
        from ovirt_node_plugin.operations import change, find, install
        from ovirt_node_plugin.packages.repos import add_bundle_repo
        session = self._session()
        change.refuse_unwritable(session.target, live_allowed=self._policy.config.live)
        for bundle in find.library_upgrades(self.opts.names, session, self._stack,
                                            run=run_program):
            add_bundle_repo(self.base, bundle, options=self.opts)
            self._bundles.append(bundle)
        self._fill(session)
        bundles = find.newer(self.opts.names, self._bundles, session)
        return self._install(install.plan(bundles, session, run=run_program), session)

    def run_remove(self) -> Status:
        from ovirt_node_plugin.operations import change, remove
        session = self._session()
        change.refuse_unwritable(session.target, live_allowed=self._policy.config.live)
        self._fill(session, repos=False)
        ready = remove.plan(self.opts.names, session, keep_modified=self.opts.keep_modified)
        if self._agreed(ready.plan):
            remove.carry_out(ready, session, displays=self._displays(), run=run_program)
            self._done(ready.plan)
        return Status.DONE

    def run_list(self) -> Status:
        from ovirt_node_plugin.operations import query
        from ovirt_node_plugin.report import data, text
        session = self._session()
        wants = query.Wants.of(installed=self.opts.installed, available=self.opts.available,
                               everything=self.opts.all)
        self._fill(session, repos=wants.available)
        listing = query.list_plugins(session, wants, names=self.opts.names)
        return self._answer(data.listing(listing), text.listing(listing))

    def run_info(self) -> Status:
        from ovirt_node_plugin.operations import query
        from ovirt_node_plugin.report import data, text
        session = self._session()
        self._fill(session)
        found = query.info(session, self._bundles, self._rest, run=run_program)
        return self._answer(data.infos(found), text.infos(found))

    def run_verify(self) -> Status:
        from ovirt_node_plugin.operations import query
        from ovirt_node_plugin.report import data, text
        session = self._session()
        self._fill(session, repos=False)
        checks = query.verify(session, self.opts.names, run=run_program)
        self._answer(data.checks(checks), text.checks(checks))
        return Status.BROKEN if any(check.problems for check in checks) else Status.DONE

    def run_repos(self) -> Status:
        from ovirt_node_plugin.report import data, text
        states = self._policy.states()
        return self._answer(data.repos(states), text.repos(states))

    def run_add(self) -> Status:
        places = [str(self._library().add(bundle)) for bundle in self._bundles]
        return self._answer({"added": places}, [f"Added {place}." for place in places])

    def run_drop(self) -> Status:
        places = [str(self._library().drop(name)) for name in self.opts.names]
        return self._answer({"dropped": places}, [f"Dropped {place}." for place in places])

    def _library(self) -> Any:
        from ovirt_node_plugin.library import Library
        return Library(self._policy.config.library)

    def _session(self) -> Any:
        from ovirt_node_plugin.packages.session import Session
        return Session(self._policy)

    def _fill(self, session: Any, *, repos: bool = True) -> None:
        if self.opts.json:
            self.cli.redirect_repo_progress(sys.stderr)
        session.fill(repos=repos)

    def _install(self, ready: Any, session: Any) -> Status:
        from ovirt_node_plugin.operations import install
        if self._agreed(ready.plan):
            session.download(trust_keys=self.opts.trust_keys,
                             bundle_repos=self._policy.bundle_repos())
            install.carry_out(ready, session, displays=self._displays(), run=run_program)
            self._done(ready.plan)
        return Status.DONE

    def _agreed(self, plan: Any) -> bool:
        """Show the plan; say if it is to be carried out.

        Raises dnf's own CliError where the user says no.
        """
        from ovirt_node_plugin.report import data, text
        dry = self.opts.dry_run or not plan.changes
        if not self.opts.json:
            for line in text.plan(plan):
                logger.info("%s", line)
        elif dry or self.base.conf.assumeno:
            self._print({**data.plan(plan), "done": False})
        if dry:
            return False
        if self.base.conf.assumeno or not (self.base.conf.assumeyes
                                           or self.base.output.userconfirm()):
            raise NodePluginError("Operation aborted.")
        return True

    def _done(self, plan: Any) -> None:
        from ovirt_node_plugin.report import data, text
        self._answer({**data.plan(plan), "done": True}, text.done(plan))

    def _displays(self) -> Sequence[Any]:
        return [] if self.opts.json else [dnf.cli.output.CliTransactionDisplay()]

    def _answer(self, data: Dict[str, Any], lines: Sequence[str]) -> Status:
        if self.opts.json:
            self._print(data)
        else:
            for line in lines:
                logger.info("%s", line)
        return Status.DONE

    def _print(self, data: Dict[str, Any]) -> None:
        print(json.dumps({"format": 1, **data}, indent=2, sort_keys=True))

    @contextlib.contextmanager
    def _recovered(self) -> Iterator[None]:
        """Hold the root's lock for what writes, and undo what a killed process left."""
        from ovirt_node_plugin.operations import change
        if self.opts.subcommand in ("add", "drop"):
            yield
            return
        with change.guarded(self._policy.target, run=run_program,
                            writes=self.cli.demands.root_user) as notice:
            if notice:
                logger.warning("%s", notice)
            yield

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        """Turn every error into one paragraph and an exit status; no traceback."""
        try:
            yield
        except NodePluginError as exc:
            self._fail(exc)
        except (dnf.exceptions.Error, OSError) as exc:
            self._fail(NodePluginError(str(exc)))
        except Exception as exc:  # a fault of ours: the traceback is for -v
            logger.debug("", exc_info=True)
            self._fail(NodePluginError(
                f"internal error: {type(exc).__name__}: {exc}",
                hint="Run the command again with -v and report what it prints."))

    def _fail(self, error: NodePluginError) -> None:
        if self.opts.json:
            from ovirt_node_plugin.report import data
            self._print(data.error(error))
        else:
            logger.critical("Error: %s", error)
        sys.exit(int(error.status))


@contextlib.contextmanager
def _fail_closed() -> Iterator[None]:
    """Make every failure of a hook one that DNF stops at."""
    try:
        yield
    except (dnf.exceptions.Error, SystemExit):
        raise
    except NodePluginError as exc:
        raise dnf.exceptions.Error(str(exc)) from exc
    except Exception as exc:  # DNF would log any other type and go on
        logger.debug("", exc_info=True)
        raise dnf.exceptions.Error(f"node-plugin policy: {type(exc).__name__}: {exc}") from exc


def _read_config(plugin: NodePlugin) -> config.Config:
    """Return the configuration, from the folders where DNF looks for it."""
    parser = plugin.read_config(plugin.base.conf)
    if not parser.has_section("main"):
        return config.Config()
    options = {name: parser.get("main", name) for name in parser.options("main")}
    return config.read_config(options)


__all__ = ["NodePlugin", "NodePluginCommand", "UsageError"]
