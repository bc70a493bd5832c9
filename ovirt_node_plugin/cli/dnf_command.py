"""The command ``dnf node-plugin``: parse the arguments, call the operation, print the result.

The hooks in dnf-plugins/ import this module only if this command is run.
"""
from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Callable, ContextManager, Iterator, List, Mapping, Optional, Sequence

from ..catalog.catalogs import read_catalogs
from ..errors import Interrupted, NodePluginError, Status
from ..operations import (
    detached,
    find,
    install,
    manifest,
    query,
    reconcile,
    remove,
    repair,
    save_bundles,
    verification,
)
from ..operations.apply import change
from ..operations.model import next_steps
from ..operations.model.answers import ListAnswer, ListedTarget, VerifyAnswer
from ..operations.model.books import Books
from ..operations.model.installation import Installation
from ..operations.model.results import Plan
from ..operations.plan import catalog_rules, origins
from ..packages import others, rpmdb
from ..packages.command_line import sets_gpgcheck
from ..packages.console import Console, PrintableRecord, translated
from ..packages.policy import RunPolicy
from ..packages.session import Session
from ..plugin.bundle import Bundle
from ..plugin.library import Library
from ..policy.given_parameters import GivenParameters
from ..policy.key_trust import read_trust
from ..policy.opened_paths import refuse_ways_out, refuse_written
from ..policy.refusals import refuse_deployed
from ..policy.trust_floor import TrustFloor, read_floor
from ..report import manifest_data, manifest_text, plan_data, plan_text, status_text
from ..report.progress import JsonLines, for_people
from ..system.json_answer import ErrorAnswer
from ..system.progress import Advance, Progress, Silent
from ..system.run import run as program_run
from ..system.run import run_on_root as run
from . import containerfile, detach, parameters, status
from .dnf_answers import Answers, ParsedCommand
from .dnf_arguments import CHANGING, DnfOptions, check_arguments, check_flags
from .json_document import JsonDocument

logger = logging.getLogger("dnf")

_NOT_ISOLATED = "isolation is off: programs of the root can change this machine."
_SILENT = logging.CRITICAL + 1
# Subcommands that change the library of this machine, and that use the repositories of bundles
_OF_LIBRARY = ("add", "drop")
_WITHOUT_ROOT = (*_OF_LIBRARY, "status")
_WITH_BUNDLE_REPOS = ("install", "upgrade", "info", "repair")


class DnfCommand:
    """One run of ``dnf node-plugin``, for DNF's object ``command``."""

    def __init__(self, command: ParsedCommand) -> None:
        self._command = command
        self._console = Console(command)
        self._stack = contextlib.ExitStack()
        self._run_policy: Optional[RunPolicy] = None
        self._bundles: List[Bundle] = []
        self._rest: List[str] = []
        self._sources: Optional[repair.Sources] = None
        self._document: Optional[JsonDocument] = None
        self._progress: Optional[Progress] = None
        logging.setLogRecordFactory(PrintableRecord)
        words = self._console.words
        if "--json" in words and not {"-h", "--help"}.intersection(words):
            if "--progress" in words and "--detach" not in words:
                self._progress = JsonLines(sys.stdout)
            self._document = JsonDocument(
                logger, lines=self._progress is not None or "--follow" in words,
                messages=self._progress is not None)
        self._answers = Answers(command, self._console, document=self._document,
                                progress=self._progress)
        self._subcommands: Mapping[str, Callable[[], Status]] = {
            "install": self._install, "upgrade": self._upgrade, "remove": self._remove,
            "list": self._list, "info": self._info, "manifest": self._manifest,
            "verify": self._verify, "check-upgrade": self._check_upgrade,
            "repair": self._repair, "status": self._status, "repos": self._repos,
            "add": self._add, "drop": self._drop}

    @property
    def _opts(self) -> DnfOptions:
        return self._command.opts

    @property
    def _policy(self) -> RunPolicy:
        """The policy of this run, set by ``prepare``."""
        assert self._run_policy is not None
        return self._run_policy

    def pre_configure(self) -> None:
        """With --json, keep DNF's messages out of standard output.

        With --progress, they are printed to standard error too, for people.
        """
        if self._progress is not None:
            self._console.print_messages_from(_SILENT, errors=logging.INFO)
        elif self._document is not None and not self._opts.verbose:
            self._console.print_messages_from(_SILENT)

    def disable_started_plugins(self, own: type, policy: RunPolicy) -> None:
        """Disable other DNF plugins that were started already and may have acted.

        They were started if the hooks could not detect this command in time: with
        --enableplugin, or for an alias. Raises Refused if the subcommand changes the root.
        """
        if policy.target.live:
            return
        names = others.keep_out(own, policy.config.others_off,
                                among=self._console.plugin_classes())
        if names:
            error = others.late(names, str(policy.target.root), enabled=self._opts.enableplugin)
            if self._opts.subcommand in CHANGING:
                raise error
            logger.warning("%s.\n%s", error.message, error.hint)

    def prepare(self, policy: RunPolicy) -> None:
        """Open the bundles of the command line, before DNF reads its repositories."""
        self._run_policy = policy
        console, subcommand = self._console, self._opts.subcommand
        if subcommand in CHANGING:
            refuse_deployed(policy.target, live_allowed=policy.config.live,
                            lines=self._containerfile())
        check_arguments(self._opts)
        check_flags(subcommand, console.tsflags)
        if self._opts.detach:
            detached.require_systemd()
        if subcommand not in _WITHOUT_ROOT:
            root = policy.target.root
            rpmdb.require_system(root)
            if not policy.target.live:
                refuse_ways_out(root, str(root))
                refuse_written(root, str(root), cache=console.cache, logs=console.logs)
        for path in self._opts.repo_file:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="node-plugin-"))
            policy.add_repo_file(Path(path), Path(folder))
        if subcommand == "add":
            self._bundles = find.open_paths(self._opts.names, self._stack, run=run)
        elif subcommand in ("install", "info"):
            self._bundles, self._rest = find.open_named(
                self._opts.names, self._library, self._stack, run=run)
        elif subcommand == "repair":
            self._sources = repair.open_sources(self._opts.names, policy.target.root,
                                                self._stack, run=run)
            self._bundles = list(self._sources.bundles)
            policy.use_recorded_repos(self._sources.repo_ids)
        for bundle in self._bundles:
            policy.add_bundle(bundle)

    def configure(self) -> None:
        """Tell DNF what the run needs, and add the repositories of the bundles."""
        subcommand = self._opts.subcommand
        self._console.configure(needs_root=(
            subcommand in (*CHANGING, *_OF_LIBRARY) or self._opts.reconcile))
        with self.reported():
            for bundle in self._bundles if subcommand in _WITH_BUNDLE_REPOS else ():
                self._policy.add_bundle_repo(bundle, optional=subcommand in ("info", "repair"))

    def run(self) -> None:
        """Run the subcommand and set the exit status."""
        with self.reported(), self._stack:
            with self._recovered():
                ended = (self._detach() if self._opts.detach
                         else self._subcommands[self._opts.subcommand]())
            if ended:
                self._console.set_status(int(ended))

    @contextlib.contextmanager
    def reported(self) -> Iterator[None]:
        """Report every error as one paragraph and an exit status, without a traceback."""
        try:
            with translated():
                yield
        except NodePluginError as exc:
            self._fail(exc)
        except KeyboardInterrupt:  # dnf prints it, and ends with its status
            if self._document is not None:
                self._document.print(ErrorAnswer.of(Interrupted(
                    "interrupted", hint="What was changed is undone.")).to_data())
            raise
        except Exception as exc:  # noqa: BLE001  # a bug: -v shows the traceback
            logger.debug("%s", traceback.format_exc())
            self._fail(NodePluginError(
                f"internal error: {type(exc).__name__}: {exc}",
                hint="Run the command again with -v and report what it prints."))

    def _install(self) -> Status:
        session = self._session_to_change()
        self._fill(session)
        bundles = self._bundles + find.find_in_metadata(
            self._rest, session, opened_bundles=self._bundles)
        return self._carry_out(self._plan_install(bundles, session), session)

    def _upgrade(self) -> Status:
        session = self._session_to_change()
        catalogs = self._floor.catalogs
        for bundle in find.library_upgrades(self._opts.names, session, self._stack, run=run,
                                            catalogs=catalogs):
            self._policy.add_bundle_repo(bundle)
            self._bundles.append(bundle)
        self._fill(session)
        bundles = find.newer(self._opts.names, self._bundles, session, catalogs)
        ready = catalog_rules.with_installed(self._plan_install(bundles, session), catalogs)
        origins.refuse_changed(ready.plan)
        return self._carry_out(ready, session)

    def _repair(self) -> Status:
        sources = self._sources
        assert sources is not None
        session = self._session_to_change()
        self._fill(session, repos=False)
        checks = verification.verify(session, sources.names, run=run) if sources.names else ()
        needed = repair.needs_packages(checks)
        if needed:
            self._policy.leave_recorded_repos(sources.repo_ids.difference(
                *(sources.repos.get(name, ()) for name in needed)))
            self._fill(session)
        with self._planning(session):
            ready = repair.plan(checks, sources, session, run=run, given=self._given(),
                                skip_scriptlets=self._opts.skip_scriptlets,
                                replaceable=self._opts.allow_replace, floor=self._floor)
        plan, notes = ready.plan, self._carried_out(ready, session)
        if notes is not None:
            session.fill(repos=False)
            plan = repair.outcome(plan, verification.verify(session, sources.names, run=run))
            self._answers.report_done(plan, notes)
        return Status.BROKEN if plan.unrepaired else Status.DONE

    def _plan_install(self, bundles: Sequence[Bundle], session: Session) -> Installation:
        other = Path(self._opts.accounts_from).absolute() if self._opts.accounts_from else None
        given = self._given()
        if self._asks:
            given = parameters.asked_values(given, bundles, Books(session.target.root), other)
        with self._planning(session):
            return install.plan(
                bundles, session, run=run, skip_scriptlets=self._opts.skip_scriptlets,
                accounts_from=other, replaceable=self._opts.allow_replace, given=given,
                floor=self._floor)

    def _given(self) -> GivenParameters:
        return parameters.given_values(self._opts.set_values, self._policy.config.parameters)

    @property
    def _floor(self) -> TrustFloor:
        """The level of trust that plugins have to reach."""
        return read_floor(
            self._policy.config, option=self._opts.trust, nogpgcheck=sets_gpgcheck(self._opts),
            catalogs=read_catalogs(self._policy.config, run=run),
            trust=read_trust(self._opts.trust_key, every=self._opts.trust_keys))

    @property
    def _asks(self) -> bool:
        """Whether the user is asked for values of parameters."""
        return (self._document is None and parameters.is_terminal()
                and not (self._console.assumes_yes or self._console.assumes_no))

    @staticmethod
    def _planning(session: Session) -> ContextManager[Advance]:
        """Report a step of the progress; the download of packages is inside of it."""
        return session.progress.step("plan", "Making the plan")

    def _remove(self) -> Status:
        session = self._session_to_change()
        self._fill(session, repos=False)
        with self._planning(session):
            ready = remove.plan(self._opts.names, session, run=run,
                                keep_modified=self._opts.keep_modified,
                                skip_scriptlets=self._opts.skip_scriptlets)
        if self._confirmed(ready.plan):
            done = remove.carry_out(ready, session, displays=self._answers.displays(), run=run)
            self._answers.report_done(ready.plan, done.notes, deltas=done.deltas)
        return Status.DONE

    def _list(self) -> Status:
        session = Session(self._policy, self._progress)
        available = self._opts.available or self._opts.all
        self._fill(session, repos=available)
        states = query.list_plugins(
            session, installed=self._opts.installed or self._opts.all or not available,
            available=available, names=self._opts.names, run=run)
        if self._document is None:  # as text, nothing is told about the target
            return self._answers.print({}, plan_text.listing(states))
        target = ListedTarget.of_refusal(session.target, change.refusal_here(session))
        return self._answers.print(dataclasses.asdict(ListAnswer(target, tuple(states))), ())

    def _info(self) -> Status:
        session = Session(self._policy, self._progress)
        self._fill(session)
        plugins = query.info(session, self._bundles, self._rest, run=run)
        self._answers.print(plan_data.infos(plugins), plan_text.infos(plugins))
        return next((Status(plugin.refused_status) for plugin in plugins if plugin.refused),
                    Status.DONE)

    def _manifest(self) -> Status:
        shows = manifest_data.Shows(packages=self._opts.packages, files=self._opts.files,
                                    settings=self._opts.settings, delta=self._opts.delta)
        # the text names no signer
        keys = (Session(self._policy).keys_of_root() if self._document is not None
                and (shows.packages or shows.overview) else {})
        manifests = manifest.manifests(self._policy.target.root, self._opts.names,
                                       inventories=not shows.record_only, keys=keys)
        return self._answers.print(manifest_data.manifests(manifests, shows),
                                   manifest_text.manifests(manifests, shows))

    def _verify(self) -> Status:
        session = Session(self._policy, self._progress)
        self._fill(session, repos=False)
        corrections = (reconcile.reconcile(session, only_plan=self._opts.dry_run)
                       if self._opts.reconcile else ())
        checks = verification.verify(session, self._opts.names, run=run)
        next_step = next_steps.repair_command(checks, session.target,
                                              live_allowed=self._policy.config.live)
        answer = VerifyAnswer.of(checks, strict=self._opts.strict, next_step=next_step,
                                 corrections=corrections)
        self._answers.print(answer.to_data(), [
            *plan_text.corrections(corrections, only_planned=self._opts.dry_run),
            *plan_text.checks(checks, next_step=next_step)])
        return Status.DONE if answer.ok else Status.BROKEN

    def _check_upgrade(self) -> Status:
        # these rooms are large, and no other subcommand needs them
        from ..images.dnf_program import Dnf
        from ..report import upgrade_text
        from .check_upgrade import check_upgrade
        quiet = self._document is not None or self._opts.quiet
        answer = check_upgrade(
            self._opts, self._policy.target, self._policy.config,
            dnf=Dnf(tuple(self._console.plugin_options), program_run),
            progress=self._progress or (Silent() if quiet else for_people(sys.stderr)))
        self._answers.print(dataclasses.asdict(answer), upgrade_text.check_upgrade(answer))
        return Status.DONE if answer.ok else Status.BROKEN

    def _detach(self) -> Status:
        """Start this command as a unit, which takes the lock and does the rest."""
        self._session_to_change()
        parameters.check_options(self._opts.set_values, self._bundles)
        operation = self._opts.subcommand
        started = detached.start(operation, self._opts.names, detach.command(self._console.words),
                                 environment=os.environ, run=program_run)
        return self._answers.print({"unit": started.unit, "command": started.command},
                                   detach.lines(started.unit))

    def _status(self) -> Status:
        names, as_json = self._opts.names, self._document is not None
        if not self._opts.follow:
            changes = status.chosen(names, program_run)
            return self._answers.print(status.answer(changes),
                                       status.lines(changes, one=bool(names)))
        ended = status.followed(status.to_follow(names, program_run), program_run, as_json=as_json)
        self._answers.print(status.answer([ended]), status_text.outcome(ended))
        return status.exit_status(ended)

    def _repos(self) -> Status:
        states = self._policy.states()
        return self._answers.print(plan_data.repos(states), plan_text.repos(states))

    def _add(self) -> Status:
        paths = [str(self._library.add(bundle)) for bundle in self._bundles]
        return self._answers.print({"added": paths}, [f"Added {path}." for path in paths])

    def _drop(self) -> Status:
        paths = [str(self._library.drop(name)) for name in self._opts.names]
        return self._answers.print({"dropped": paths}, [f"Dropped {path}." for path in paths])

    @property
    def _library(self) -> Library:
        return Library(self._policy.config.library)

    def _containerfile(self) -> Sequence[str]:
        """Return the lines of a Containerfile that do what this command would do."""
        opts = self._opts
        return containerfile.lines(self._console.words, files=[
            *filter(find.is_path, opts.names),
            *filter(os.path.exists, (*opts.trust_key, *opts.repo_file))])

    def _session_to_change(self) -> Session:
        """Return the session of a run that changes the root. Raises Refused if it may not."""
        session = Session(self._policy, self._progress)
        change.refuse_unchangeable(session)
        return session

    def _fill(self, session: Session, *, repos: bool = True) -> None:
        if self._document is not None:
            self._console.print_progress_to(sys.stderr)
        session.fill(repos=repos)

    def _carry_out(self, ready: Installation, session: Session) -> Status:
        notes = self._carried_out(ready, session)
        if notes is not None:
            self._answers.report_done(ready.plan, notes)
        return Status.DONE

    def _carried_out(self, ready: Installation,
                     session: Session) -> Optional[Sequence[str]]:
        """Show the plan, ask, and carry it out; return notes, None if nothing is to be done."""
        if not self._confirmed(ready.plan):
            return None
        self._answers.accept_origins(ready.plan)
        session.check_signatures(
            trust=self._floor.trusted_keys,
            bundle_repos=self._policy.bundle_repos())
        with self._saved_bundles(ready, session) as notes:
            return (*install.carry_out(ready, session, displays=self._answers.displays()), *notes)

    def _saved_bundles(self, ready: Installation,
                       session: Session) -> ContextManager[Sequence[str]]:
        """Write bundles of the plugins of repositories for --save-bundles; yield notes."""
        folder = self._opts.save_bundles
        if not folder:
            return contextlib.nullcontext(())
        return save_bundles.saved(ready.jobs, ready.plan.packages, session, Path(folder), run=run)

    def _confirmed(self, plan: Plan) -> bool:
        """Show the plan; return whether to carry it out."""
        if not (self._policy.config.isolation or self._policy.target.live):
            plan = dataclasses.replace(plan, notes=(*plan.notes, _NOT_ISOLATED))
        return self._answers.confirmed(plan)

    @contextlib.contextmanager
    def _recovered(self) -> Iterator[None]:
        """Hold the root's lock if the subcommand writes, and undo an interrupted change."""
        if self._opts.subcommand in _WITHOUT_ROOT or self._opts.detach:
            yield
            return
        with change.guarded(self._policy.target, writes=self._console.needs_root,
                            run=run, foreign=self._opts.recover) as notice:
            if notice:
                logger.warning("%s", notice)
            yield

    def _fail(self, error: NodePluginError) -> None:
        self._stack.close()
        if self._document is not None:
            self._document.print(ErrorAnswer.of(error).to_data())
        if self._document is None or self._progress is not None:
            logger.critical("Error: %s", error)
        sys.exit(int(error.status))
