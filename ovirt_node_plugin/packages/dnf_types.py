"""What this project uses of DNF 4 and rpm, as types: neither carries annotations.

A class or member has a note on where it is documented:

- API: DNF's API reference, https://dnf.readthedocs.io, or marked ``:api`` in its code;
- conf: dnf.conf(5); all options of the main section are attributes of ``DnfConf``;
- hawkey: hawkey(3);
- code: documented nowhere, read in DNF's or libdnf's code.

For type checkers only: nothing here is imported when the program runs on its hot path.
"""
from __future__ import annotations

from typing import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Protocol,
    Sequence,
    TextIO,
    Tuple,
    Union,
    ValuesView,
)


class DnfReldep(Protocol):
    """A dependency; ``str()`` gives it as a spec file has it: ``libfoo >= 1.2``. hawkey."""


class DnfPackage(Protocol):
    """A package, installed or offered; ``str()`` gives its NEVRA without an epoch of 0. API.

    Packages compare by name, then by version.
    """

    name: str                       # API
    version: str                    # API
    evr: str                        # hawkey: ``[EPOCH:]VERSION-RELEASE``
    arch: str                       # API
    reponame: str                   # hawkey: the repo id, ``@System`` if installed
    installsize: int                # API: bytes
    downloadsize: int               # API: bytes
    files: Sequence[str]            # API: absolute paths
    requires: Sequence[DnfReldep]   # hawkey
    conflicts: Sequence[DnfReldep]  # hawkey
    obsoletes: Sequence[DnfReldep]  # API
    location: str                   # hawkey: as its repository's metadata has it
    baseurl: Optional[str]          # hawkey: xml:base of the location
    chksum: Optional[Tuple[int, bytes]]  # hawkey: number of the algorithm, digest
    license: str                    # hawkey

    def evr_cmp(self, other: DnfPackage) -> int:
        """Return a number below, equal to or above 0, as strcmp(3) does. hawkey."""

    def localPkg(self) -> str:
        """Return the path of the RPM file, once it is downloaded. Code."""

    def verifyLocalPkg(self) -> bool:
        """Return whether the RPM file has the checksum of the metadata. Code."""

    def _is_local_pkg(self) -> bool:
        """Return whether the RPM is in a repository of this machine. Code."""

    def __lt__(self, other: DnfPackage) -> bool: ...


class DnfQuery(Protocol):
    """A set of packages that is evaluated when it is used. API."""

    def __iter__(self) -> Iterator[DnfPackage]: ...

    def __len__(self) -> int: ...

    def installed(self) -> DnfQuery:
        """Return those that are installed. API."""

    def available(self) -> DnfQuery:
        """Return those that repositories offer. API."""

    def latest(self) -> DnfQuery:
        """Return the highest version of each name and architecture. API."""

    def upgrades(self) -> DnfQuery:
        """Return those that are newer than the installed package of their name. API."""

    def filter(self, **keys: object) -> DnfQuery:
        """Return those that match all keys, such as ``name``, ``provides``, ``file``. API."""

    def union(self, other: DnfQuery) -> DnfQuery:
        """Return the packages in either. API."""

    def difference(self, other: DnfQuery) -> DnfQuery:
        """Return the packages that are not in ``other``. API."""


class DnfSack(Protocol):
    """All packages that DNF knows. API."""

    def query(self, flags: int = 0) -> DnfQuery:
        """Return all packages but excluded ones, or by ``flags`` of hawkey those too. API."""

    def add_excludes(self, query: DnfQuery) -> None:
        """Exclude packages from queries and solves. hawkey."""

    def reset_excludes(self) -> None:
        """Exclude nothing any more. hawkey."""

    def list_arches(self) -> Sequence[str]:
        """Return the architectures of packages that the root can have. hawkey."""


class DnfGoal(Protocol):
    """What a solve is asked for, and its result. hawkey."""

    problems: Sequence[str]  # hawkey: why the solve failed

    def install(self, *, select: object, optional: bool) -> None:
        """Ask for a package of a ``dnf.selector.Selector``. hawkey."""

    def upgrade(self, *, select: object) -> None:
        """Ask for an upgrade to a package of a selector. hawkey."""

    def erase(self, package: DnfPackage, *, clean_deps: bool) -> None:
        """Ask for a removal, with ``clean_deps`` of what nothing needs any more too. hawkey."""

    def add_protected(self, query: DnfQuery) -> None:
        """Forbid the removal of packages. Code."""

    def obsoleted_by_package(self, package: DnfPackage) -> Sequence[DnfPackage]:
        """Return the installed packages that an arriving one obsoletes. hawkey."""

    def run(self, *, allow_uninstall: bool, ignore_weak_deps: bool = False) -> bool:
        """Solve; return whether there is a solution. hawkey."""

    def problem_rules(self) -> Sequence[Sequence[object]]:
        """Return why the solve failed, as groups of texts. hawkey."""

    def list_installs(self) -> Sequence[DnfPackage]:
        """Return the packages that the solution installs, none of them an upgrade. hawkey."""

    def list_upgrades(self) -> Sequence[DnfPackage]:
        """Return the packages that the solution upgrades to. hawkey."""

    def list_downgrades(self) -> Sequence[DnfPackage]:
        """Return the packages that the solution downgrades to. hawkey."""

    def list_obsoleted(self) -> Sequence[DnfPackage]:
        """Return the packages that the solution replaces by others. hawkey."""

    def list_erasures(self) -> Sequence[DnfPackage]:
        """Return the packages that the solution removes. hawkey."""


class DnfTransactionItem(Protocol):
    """One package of a transaction; ``action`` is a constant of dnf.transaction. API."""

    action: int
    pkg: DnfPackage


class DnfTransaction(Protocol):
    """The result of a solve: its items; empty where nothing is to be done. API."""

    install_set: Collection[DnfPackage]  # code

    def __iter__(self) -> Iterator[DnfTransactionItem]: ...

    def __len__(self) -> int: ...


class DnfDisplay(Protocol):
    """What shows the progress of a transaction. API: dnf.callback.TransactionProgress."""

    def progress(self, package: Union[DnfPackage, str], action: Optional[int],
                 ti_done: Optional[int], ti_total: Optional[int], ts_done: Optional[int],
                 ts_total: Optional[int]) -> None:
        """Show how far the transaction and one package in it are. API."""

    def scriptout(self, msgs: Union[bytes, str]) -> None:
        """Show the output of scriptlets. Code."""

    def error(self, message: str) -> None:
        """Show an error. API."""


class DnfConf(Protocol):
    """DNF's configuration, the command line applied. API."""

    assumeno: bool                      # conf
    assumeyes: bool                     # conf
    best: bool                          # conf
    cachedir: str                       # conf
    cacheonly: Union[bool, int]         # conf
    clean_requirements_on_remove: bool  # conf
    config_file_path: str               # conf
    defaultyes: bool                    # conf
    exit_on_lock: bool                  # conf
    gpgcheck: bool                      # conf
    installroot: str                    # conf
    logdir: str                         # conf
    optional_metadata_types: List[str]  # conf: since DNF 4.19
    persistdir: str                     # conf
    pluginconfpath: List[str]           # conf
    pluginpath: List[str]               # conf
    releasever: Optional[str]           # API
    repo_gpgcheck: bool                 # conf
    reposdir: List[str]                 # conf
    substitutions: Mapping[str, str]    # API: the variables, such as ``basearch``
    tsflags: List[str]                  # conf


class LibdnfRepo(Protocol):
    """The repository object of libdnf below ``DnfRepo``. Code."""

    def getCachedir(self) -> str:
        """Return the folder of its metadata in DNF's cache."""

    def expire(self) -> None:
        """Make DNF load the metadata again."""


class DnfRepo(Protocol):
    """A repository. API; its options are those of dnf.conf(5), "Repo Options"."""

    id: str                    # API
    name: str                  # conf
    enabled: bool              # conf
    baseurl: List[str]         # conf
    metalink: Optional[str]    # conf
    mirrorlist: Optional[str]  # conf
    gpgcheck: bool             # conf
    gpgkey: List[str]          # conf: URLs
    repo_gpgcheck: bool        # conf
    skip_if_unavailable: bool  # conf
    repofile: str              # API: the path of the file that defines it, empty for none
    _repo: LibdnfRepo          # code

    def enable(self) -> None:
        """Enable it for this run. API."""

    def disable(self) -> None:
        """Disable it for this run. API."""

    def set_progress_bar(self, progress: object) -> None:
        """Tell a dnf.callback.DownloadProgress of the download of its metadata. API."""

    def add_metadata_type_to_download(self, metadata_type: str) -> None:
        """Download one more kind of file with its metadata. API."""

    def get_metadata_path(self, metadata_type: str) -> str:
        """Return the path of such a file, empty for none. API."""

    def _configure_from_options(self, options: object) -> None:
        """Apply the parsed command line, such as --setopt. Code."""

    def _get_priority(self, option: str) -> int:
        """Return by what an option was set, a PRIO_ constant of dnf.conf. Code."""


class DnfRepos(Protocol):
    """All repositories, by id. API: a dict."""

    def __getitem__(self, repo_id: str) -> DnfRepo: ...

    def __contains__(self, repo_id: object) -> bool: ...

    def __iter__(self) -> Iterator[str]: ...

    def get(self, repo_id: str) -> Optional[DnfRepo]:
        """Return a repository, None where there is none of that id."""

    def values(self) -> ValuesView[DnfRepo]:
        """Return all repositories."""

    def add(self, repo: DnfRepo) -> None:
        """Add a repository. API."""

    def iter_enabled(self) -> Iterator[DnfRepo]:
        """Return the enabled ones. API."""


class DnfTerm(Protocol):
    """The terminal of the dnf program. Code: dnf/cli/term.py."""

    def reinit(self, *, color: str) -> None:
        """Use colors: ``always``, ``auto`` or ``never``."""


class DnfPayload(Protocol):
    """A file that is downloaded; ``str()`` gives its name. API: dnf.callback.Payload."""

    download_size: int  # API: bytes


class DnfDownloads(Protocol):
    """What shows the progress of downloads. API: dnf.callback.DownloadProgress."""

    def start(self, total_files: int, total_size: int, total_drpms: int = 0) -> None:
        """Show the numbers of files and bytes. API."""

    def progress(self, payload: DnfPayload, done: int) -> None:
        """Show how many bytes of a file arrived. API."""

    def end(self, payload: DnfPayload, status: Optional[int], msg: Optional[str]) -> None:
        """Show the end of a download, or of an attempt at a mirror. API."""


class DnfOutput(Protocol):
    """What prints for the dnf program. Code: dnf/cli/output.py."""

    term: DnfTerm
    progress: DnfDownloads

    def download_callback_total_cb(self, remote_size: int, start_timestamp: float) -> None:
        """Print the totals of a download."""

    def list_transaction(self, transaction: DnfTransaction) -> str:
        """Return a transaction as the table that dnf prints."""

    def userconfirm(self) -> bool:
        """Ask whether to go on."""


class DnfModule(Protocol):
    """One build of a module stream. Code: libdnf's ModulePackage."""

    def getStream(self) -> str:
        """Return the stream's name."""

    def getArtifacts(self) -> Sequence[str]:
        """Return the NEVRAs of its packages."""


class DnfModules(Protocol):
    """The module streams, and what this run changes. Code: libdnf's ModulePackageContainer."""

    def isChanged(self) -> bool:
        """Return whether this run changes the state of a module."""

    def getEnabledStreams(self) -> Mapping[str, str]:
        """Return the streams that are newly enabled, by module."""

    def getSwitchedStreams(self) -> Mapping[str, Tuple[str, str]]:
        """Return the old and the new stream of the modules that switch."""

    def getDisabledModules(self) -> Collection[str]:
        """Return the modules that are newly disabled."""

    def getResetModules(self) -> Collection[str]:
        """Return the modules that are reset."""

    def query(self, name: str, stream: str, version: str, context: str,
              arch: str) -> Iterable[DnfModule]:
        """Return the builds that match; an empty text matches all."""


class DnfPlugins(Protocol):
    """The plugins that DNF made in this run. Code."""

    plugins: Sequence[object]


class DnfTransactionSet(Protocol):
    """rpm's transaction set, which is made when it is first used. Code."""

    def __iter__(self) -> Iterator[object]:
        """Return the elements: packages that come or go."""

    def addTsFlag(self, flag: int) -> None:
        """Add a flag of rpm's rpmts.h."""


class DnfBase(Protocol):
    """One run of DNF. API."""

    conf: DnfConf                           # API
    repos: DnfRepos                         # API
    sack: DnfSack                           # API
    transaction: Optional[DnfTransaction]   # API: None before a solve
    goal: DnfGoal                           # code
    output: Optional[DnfOutput]             # code: None where DNF is a library
    _moduleContainer: DnfModules            # code
    _plugins: DnfPlugins                    # code
    _ts: DnfTransactionSet                  # code
    _trans_success: bool                    # code: whether the transaction was run
    _trans_install_set: bool                # code: whether it installed something

    def fill_sack(self, *, load_system_repo: Union[bool, str],
                  load_available_repos: bool = True) -> object:
        """Load the rpm database, with ``"auto"`` if there is one, and repositories. API."""

    def reset(self, *, goal: bool) -> None:
        """Forget what was asked for. API."""

    def resolve(self, *, allow_erasing: bool) -> bool:
        """Solve; return whether anything is to be done. API."""

    def download_packages(self, packages: Sequence[DnfPackage], progress: object,
                          callback_total: Callable[[int, float], None]) -> None:
        """Download packages that are not in a local repository. API."""

    def package_signature_check(self, package: DnfPackage) -> Tuple[int, str]:
        """Return 0 where the signature holds, 1 where its key is missing, 2 else; a text. API."""

    def package_import_key(self, package: DnfPackage, *,
                           fullaskcb: Callable[[Mapping[str, str]], bool]) -> None:
        """Import the keys of a package's repository, if the callback agrees. API."""

    def upgrade(self, pkg_spec: str, reponame: Optional[str] = None) -> int:
        """Mark packages to be upgraded, by name, glob or NEVRA. API."""

    def close(self) -> None:
        """Close all files and databases. API."""

    def _closeRpmDB(self) -> None:
        """Close the rpm database; it is opened again when it is needed. Code."""

    def _setup_excludes_includes(self) -> None:
        """Apply the excludes of the configuration. Code."""


class DnfDemands(Protocol):
    """What a command needs from the dnf program. API: DemandSheet.

    A bool that is set twice to different values raises AttributeError.
    """

    available_repos: bool     # API
    resolving: bool           # API
    root_user: bool           # API
    sack_activation: bool     # API
    success_exit_status: int  # API


class DnfCli(Protocol):
    """The dnf program. API."""

    demands: DnfDemands  # API

    def register_command(self, command: type) -> None:
        """Add a command. API."""

    def redirect_logger(self, stdout: Optional[int] = None,
                        stderr: Optional[int] = None) -> None:
        """Set from which level on messages are printed. API."""

    def redirect_repo_progress(self, fo: TextIO) -> None:
        """Print the progress of downloads to another stream. Code."""


class DnfCliCommand(Protocol):
    """A command of the dnf program. API: dnf.cli.Command."""

    base: DnfBase  # API
    cli: DnfCli    # API


class DnfConfigParser(Protocol):
    """A parsed configuration file. Code: libdnf's ConfigParser, by sections and options."""

    def has_section(self, section: str) -> bool:
        """Return whether there is such a section."""

    def options(self, section: str) -> Iterable[str]:
        """Return the names of its options."""

    def get(self, section: str, option: str) -> str:
        """Return the text of an option."""


class DnfPluginClass(Protocol):
    """A direct subclass of dnf.Plugin. API.

    ``kept_out`` is ours: ``others.keep_out`` sets it.
    """

    name: str        # API
    __module__: str
    kept_out: bool


class RpmHeader(Protocol):
    """The header of a package, as rpm's Python bindings give it.

    A tag is a number, a text, bytes or a list of them, None where it is not set.
    """

    def __getitem__(self, tag: str) -> object: ...

    def sprintf(self, format: str) -> str:
        """Return the header in a form as rpm(8), "--queryformat", describes it."""
