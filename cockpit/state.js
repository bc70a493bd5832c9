// @ts-check
/**
 * What the page knows of the host: one store for all views.
 *
 *     const stop = subscribe(() => draw(state));     called after each change of the store
 *     refresh();                                     reads everything again
 *
 * `list` is read first, then `checks` in the background. The folders of records are watched, so
 * that a change that anybody makes shows at once.
 */

import {CommandFailed, follow, onWaiting, read} from "./command.js";
import {health, upgradesOf} from "./overview_data.js";

/** The folders of records; an image has the second, which then counts. */
const WATCHED = ["/etc/ovirt.plugins.d", "/usr/lib/ovirt.plugins.d"];
// One change writes several files: read once for all that happens in this time.
const GATHER_MS = 200;

/**
 * `checks` is by the name of the plugin. `upgrades` has the newer version that is available, by
 * the name of the installed plugin. `changes` is null if the host cannot tell about changes.
 * `admin` is whether the user has administrative access, null while that is not known.
 * `problem` is why `list` could not be read, `checksProblem` the same of `checks`; the last
 * answers stay. `waiting` is what dnf says while it waits for another process, or "". `busy` is
 * whether anything is being read, `checking` whether `checks` is.
 *
 * @type {{
 *     list: import("./answers").ListAnswer | null,
 *     checks: Map<string, import("./answers").Check> | null,
 *     upgrades: Map<string, string>,
 *     changes: import("./answers").Change[] | null,
 *     admin: boolean | null,
 *     problem: CommandFailed | null,
 *     checksProblem: CommandFailed | null,
 *     waiting: string,
 *     busy: boolean,
 *     checking: boolean,
 * }}
 */
export const state = {
    list: null,
    checks: null,
    upgrades: new Map(),
    changes: null,
    admin: null,
    problem: null,
    checksProblem: null,
    waiting: "",
    busy: false,
    checking: false,
};

/**
 * A change that is followed: what it has told so far, and who is told more.
 *
 * @typedef {{events: any[], listeners: Set<(event: any) => void>, done: Promise<any>}} Following
 */

/** @type {Set<() => void>} */
const listeners = new Set();
/** @type {ReturnType<typeof setTimeout> | null} */
let gathering = null;
let again = false;
let unwatched = false;
/** @type {Map<string, Following>} */
const followed = new Map();
// The store follows each change once. If it were followed again while its state is still told as
// running, what ends at once would be started without end.
const begun = new Set();

/**
 * Call `listener` after each change of the store; return a function that ends that.
 *
 * @param {() => void} listener
 * @returns {() => void}
 */
export function subscribe(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
}

/** Return whether the user can change plugins here and now. */
export function canChange() {
    return state.admin === true && (state.list?.target?.changes?.allowed ?? true);
}

/**
 * Return how an installed plugin is, as far as it is known.
 *
 * @param {import("./answers").PluginState} plugin
 */
export function healthOf(plugin) {
    return health(plugin, state.checks?.get(plugin.name));
}

/** Return the change that is running, or null. */
export function running() {
    return state.changes?.find(change => change.state === "running") ?? null;
}

/** @param {Partial<typeof state>} values */
function update(values) {
    Object.assign(state, values);
    for (const listener of [...listeners])
        listener();
}

/** Begin to watch the host; called once. */
export function start() {
    const permission = cockpit.permission({admin: true});
    const tell = () => {
        const before = state.admin;
        if (permission.allowed === before)
            return;
        update({admin: permission.allowed});
        // With other rights, the command knows more, or less.
        if (before !== null)
            refresh();
    };
    permission.addEventListener("changed", tell);
    tell();
    onWaiting(waiting => update({waiting}));
    WATCHED.forEach(watch);
    return refresh();
}

/** @param {string} path */
function watch(path) {
    const channel = cockpit.channel({payload: "fswatch1", path});
    channel.addEventListener("message", changed);
    channel.addEventListener("close", (_event, options) => {
        if (options.problem === "disconnected" || options.problem === "terminated")
            update({problem: new CommandFailed({problem: "disconnected"})});
        else if (options.problem)
            readAtReturn();
    });
}

/**
 * Read again whenever the user returns to the page, where folders cannot be watched: a kernel
 * has a limited number of inotify instances.
 */
function readAtReturn() {
    if (unwatched)
        return;
    unwatched = true;
    cockpit.addEventListener("visibilitychange", () => {
        if (!cockpit.hidden)
            refresh();
    });
}

/** Read again soon; called for each event of the watched folders. */
function changed() {
    // The time is not extended by more events, so that a stream of them cannot delay it.
    gathering ??= setTimeout(() => {
        gathering = null;
        refresh();
    }, GATHER_MS);
}

/**
 * Read the list, then what is checked in the background.
 *
 * A call while it is being read reads once more afterwards, however many calls there are.
 */
export async function refresh() {
    if (state.busy) {
        again = true;
        return;
    }
    update({busy: true});
    do {
        again = false;
        await readList();
        for (const more of [readChanges, readChecks, readUpgrades])
            if (!state.problem && !again)
                await more();
    } while (again);
    update({busy: false});
}

async function readList() {
    try {
        const list = await read(["list"]);
        update({list, problem: null});
    } catch (failure) {
        update({problem: asFailure(failure)});
    }
}

async function readChecks() {
    if (!state.list?.plugins.length) {
        update({checks: null, checksProblem: null});
        return;
    }
    // What is being changed differs from its record; the end of the change reads again.
    if (running())
        return;
    update({checking: true});
    try {
        const answer = await read(["verify"]);
        /** @type {import("./answers").Check[]} */
        const plugins = answer.plugins;
        const checks = new Map(plugins.map(check => [check.name, check]));
        update({checks, checksProblem: null, checking: false});
    } catch (failure) {
        update({checksProblem: asFailure(failure), checking: false});
    }
}

async function readUpgrades() {
    try {
        const answer = await read(["list", "--available"]);
        update({upgrades: upgradesOf(answer.plugins)});
    } catch {
        // A repository that cannot be reached; the view of available plugins tells why.
        update({upgrades: new Map()});
    }
}

async function readChanges() {
    try {
        const answer = await read(["status"]);
        update({changes: answer.changes});
        const change = running();
        if (change && !begun.has(change.unit)) {
            begun.add(change.unit);
            following(change.unit);
        }
    } catch {
        update({changes: null});
    }
}

/**
 * Call `listener` with each event of a change, also with those before the call.
 *
 * One program runs for each change, however many views follow it.
 *
 * @param {string} unit
 * @param {(event: any) => void} listener
 * @returns {{done: Promise<any>, stop: () => void}} as `follow`; `stop` ends the calls only
 */
export function followChange(unit, listener) {
    const run = following(unit);
    run.events.forEach(listener);
    run.listeners.add(listener);
    return {done: run.done, stop: () => run.listeners.delete(listener)};
}

/**
 * Follow a change to its end, and read everything again then.
 *
 * @param {string} unit
 * @returns {Following}
 */
function following(unit) {
    const known = followed.get(unit);
    if (known)
        return known;
    /** @type {any[]} */
    const events = [];
    /** @type {Following["listeners"]} */
    const listening = new Set();
    const run = follow(["status", unit, "--follow"], event => {
        const before = events[events.length - 1];
        // Of the progress of a step, only the last is of use.
        if (event.event === "progress" && before?.event === "progress" && before.step === event.step)
            events.pop();
        events.push(event);
        for (const listener of [...listening])
            listener(event);
    });
    const done = run.done.finally(() => followed.delete(unit));
    done.then(refresh, () => {});
    const made = {events, listeners: listening, done};
    followed.set(unit, made);
    return made;
}

/**
 * @param {unknown} failure
 * @returns {CommandFailed}
 */
function asFailure(failure) {
    return failure instanceof CommandFailed
        ? failure
        : new CommandFailed({message: String(failure)});
}
