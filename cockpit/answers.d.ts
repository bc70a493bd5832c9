/** The JSON answers of `dnf node-plugin`; ovirt_node_plugin/schema/ documents each field. */

/** The fields of a CommandFailed in command.js. */
export interface Failure {
    status: number | null;
    kind: string;
    message: string;
    hint: string;
    packages: string[];
    paths: string[];
    problem: string;
    error: ErrorAnswer | null;
}

export interface ErrorAnswer {
    status: number;
    kind: string;
    message: string;
    hint: string;
    packages?: string[];
    paths?: string[];
    disputed_files?: DisputedFile[];
    reasons?: (ErrorAnswer & {plugins: string[]})[];
    fitting?: string[];
}

export interface DisputedFile {
    plugin: string;
    package: string;
    path: string;
    reason: string;
}

export interface Origin {
    vendor: string;
    keys: string[];
    location: string;
}

/** Whether plugins of the target may be changed now, and if not, how it is done. */
export interface ChangesAllowed {
    allowed: boolean;
    status: number;
    message: string;
    hint: string;
    lines: string[];
}

export interface Target {
    root: string;
    kind: "node" | "host";
    name: string;
    version: string;
    live: boolean;
}

export interface ListTarget extends Target {
    image_mode: boolean;
    deployed: boolean;
    changes: ChangesAllowed;
}

export type Trust = "" | "signed" | "unchecked" | "unsigned" | "unknown";

/** How far a plugin is trusted when it is installed; the levels of the site's floor. */
export interface InstalledTrust {
    level: TrustLevel;
    floor: TrustLevel;
    nogpgcheck: boolean;
    signed_by: string;
}

export type TrustLevel = "any" | "signed" | "vendor" | "catalog";

export interface PluginState {
    name: string;
    version: string;
    vendor: string;
    summary: string;
    state: "installed" | "broken" | "available";
    source: string;
    problems: string[];
    origin: Origin | null;
    installed_at: string;
    trust: Trust;
    /** The installed version that this available one is newer than, else "". */
    upgrades: string;
    /** What the catalogs of the site say of this version, "" without catalogs. */
    catalog_status: "" | "supported" | "tested" | "deprecated" | "withdrawn" | "unlisted";
    catalog_note: string;
    installed_trust: InstalledTrust | null;
}

export interface ListAnswer {
    format: 1;
    target?: ListTarget;
    plugins: PluginState[];
}

export interface Share {
    kind: string;
    name: string;
    plugins: string[];
}

export interface PluginInfo extends PluginState {
    description: string;
    url: string;
    license: string;
    repos: string[];
    packages: string[];
    settings: string[];
    requires: string[];
    plan: Plan | null;
    refused: string;
    refused_status: number;
    shares: Share[];
    parameters: ParameterInfo[];
}

export interface ParameterInfo {
    name: string;
    type: string;
    meaning: string;
    expected: string;
    required: boolean;
    value: string | null;
    given: boolean;
}

export interface InfoAnswer {
    format: 1;
    plugins: PluginInfo[];
}

export interface Difference {
    what: string;
    was: string;
    is: string;
}

export interface Finding {
    kind: "record" | "inventory" | "package" | "file" | "setting" | "scriptlet" | "config"
        | "ghost" | "stale";
    text: string;
    path: string;
    package: string;
    differences?: Difference[];
}

export interface Check {
    name: string;
    version: string;
    problems: string[];
    notes: string[];
    findings: Finding[];
}

export interface VerifyAnswer {
    format: 1;
    ok: boolean;
    plugins: Check[];
    next_step: string;
}

export interface Setting {
    kind: string;
    key: string;
    value: string;
    before: string;
    outcome: string;
}

export interface Account {
    kind: "user" | "group" | "group-member";
    name: string;
    number: number | null;
    by: string;
}

export interface FileEntry {
    path: string;
    since: number;
    package?: string;
    kind?: "file" | "link" | "dir" | "other";
    mode?: string;
    owner?: string;
    group?: string;
    size_bytes?: number;
    digest?: string;
    link?: string;
    capabilities?: string;
    by?: string;
    change?: "added" | "changed" | "removed";
    marks?: string[];
    unchecked?: string[];
    xattrs?: {[name: string]: string};
}

export interface ManifestPackage {
    nevra: string;
    header: string;
    since: number;
    files: number;
    size_bytes: number;
    repo: string;
    reason: string;
    checksum: string;
    /** The id of the key that signed it, "" without a signature. */
    signer: string;
    checked: boolean;
    /** Whole fingerprint and owner of that key, "" if the root does not have it. */
    fingerprint: string;
    owner: string;
}

export interface Operation {
    operation: "install" | "upgrade" | "repair";
    at: string;
    tool: string;
    version_from: string;
    version_to: string;
    packages_added: string[];
    packages_removed: string[];
    packages_shared: string[];
    packages_replaced?: string[];
    settings_on: Setting[];
    settings_again: Setting[];
    settings_off: Setting[];
    accounts_added: Account[];
    accounts_removed: Account[];
    files_added: number;
    files_changed: number;
    files_removed: number;
    scriptlets_skipped?: string[];
}

export interface Manifest {
    name: string;
    version: string;
    installed_at: string;
    tool: string;
    settings?: Setting[];
    packages?: ManifestPackage[];
    files?: FileEntry[];
    others?: FileEntry[];
    accounts?: Account[];
    operations?: Operation[];
    delta?: Delta;
}

export interface ManifestAnswer {
    format: 1;
    plugins: Manifest[];
}

export interface Delta {
    plugin: string;
    operation: "install" | "upgrade" | "repair" | "remove";
    at: string;
    tool: string;
    version_from: string;
    version_to: string;
    packages: {added: string[], removed: string[], shared: string[], replaced: string[]};
    files: {
        added: FileEntry[],
        removed: FileEntry[],
        changed: {path: string, before: FileEntry, after: FileEntry}[],
    };
    settings: {on: Setting[], again: Setting[], off: Setting[]};
    accounts: {added: Account[], removed: Account[]};
    scriptlets_skipped: string[];
}

export interface PlannedSetting {
    action: "on" | "again" | "off" | "stays";
    kind: string;
    key: string;
    value: string;
    text: string;
    content: string;
}

export interface PluginAction {
    action: "install" | "upgrade" | "repair" | "keep" | "remove";
    name: string;
    version: string;
    old_version: string;
    vendor: string;
    summary: string;
    source: string;
    packages: string[];
    settings: PlannedSetting[];
    now: string[];
    files: {folder: string, files: number}[];
    shares: Share[];
    notes: string[];
    origin: Origin | null;
    old_origin: Origin | null;
    repairs: string[];
    next_step: string;
    known_keys: {key: string, fingerprint: string, owner: string}[];
    trust: InstalledTrust | null;
    parameters: PlannedParameter[];
}

export interface PlannedParameter {
    name: string;
    type: string;
    old_value: string;
    value: string;
    digest: string;
    text: string;
}

export interface PlannedPackage {
    action: "install" | "upgrade" | "downgrade" | "remove";
    name: string;
    nevra: string;
    repo: string;
    size_bytes: number;
    download_bytes: number;
    checksum: string;
    signed: boolean;
    signer: string;
    files: number;
}

export interface Signature {
    key: string;
    owner: string;
    packages: string[];
    checked: boolean;
    fingerprint: string;
    offered_owner: string;
}

export interface Noteworthy {
    package: string;
    kind: "setuid" | "setgid" | "capabilities" | "device" | "world-writable" | "kernel-module"
        | "access" | "unit" | "tmpfiles" | "library" | "selinux" | "protected" | "command"
        | "bus-name" | "cockpit-page" | "same-name" | "drop-in" | "not-updated" | "scriptlets";
    path: string;
    detail: string;
}

export interface Plan {
    operation: "install" | "remove" | "repair";
    target: Target;
    changes: boolean;
    plugins: PluginAction[];
    packages: PlannedPackage[];
    signatures: Signature[];
    space: {needed_bytes: number, freed_bytes: number, free_bytes: number | null} | null;
    noteworthy: Noteworthy[];
    disputed_files: DisputedFile[];
    replaced: {nevra: string, name: string, by: string, repo: string}[];
    notes: string[];
    table: string;
    digest?: string;
}

export interface PlanAnswer extends Plan {
    format: 1;
    done: boolean;
    deltas?: Delta[];
    unrepaired?: {name: string, version: string, reasons: string[]}[];
}

export interface Repository {
    id: string;
    name: string;
    plugin: string;
    enabled: boolean;
    reason: string;
}

export interface ReposAnswer {
    format: 1;
    repos: Repository[];
}

export interface DetachAnswer {
    format: 1;
    unit: string;
    command: string[];
}

/** A line of a command that tells its progress. */
export interface ProgressEvent {
    format: 1;
    event: "step" | "progress" | "step-done" | "result" | "error";
    step?: string;
    text?: string;
    unit?: string;
    done?: number;
    total?: number | null;
    rate?: number | null;
    left_s?: number | null;
    elapsed_s?: number;
}

/** A change that runs or ran as a unit of systemd. */
export interface Change {
    unit: string;
    operation: string;
    names: string[];
    command: string[];
    state: "running" | "done" | "failed" | "lost";
    started_at: string;
    ended_at: string;
    exit_status: number | null;
    step?: ProgressEvent | null;
    progress: ProgressEvent | null;
    answer: any;
    log: string[];
}

export interface StatusAnswer {
    format: 1;
    changes: Change[];
}
