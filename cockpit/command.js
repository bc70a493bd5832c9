// @ts-check
/**
 * Runs `dnf node-plugin` and returns its answers.
 *
 *     const answer = await read(["info", name]);
 *     const answer = await change(["install", name, "--detach"]);
 *     const run = follow(["status", unit, "--follow"], event => …);
 *
 * A failure is a CommandFailed, with the words of the command or of dnf.
 */

import {_, sentence} from "./text.js";

const PROGRAM = ["dnf", "node-plugin"];
// The command's messages are English in any case, and a message of dnf has to be recognised.
const ENVIRONMENT = ["LC_ALL=C.UTF-8"];
const LOCKED = 200;
// The words of dnf's message for a lock that another process holds.
const WAITING = /^Waiting for process /;
// The words of DNF 4 and DNF 5.
const MISSING = /^(No such command: node-plugin|Unknown argument "node-plugin" for command)/m;

/** @type {Map<object, string>} */
const waits = new Map();
/** @type {(text: string) => void} */
let waitListener = () => {};

/** The problem of a host that has dnf without the command. */
export const NO_COMMAND = "no-command";
/** The problem of an answer that is no JSON. */
export const NO_ANSWER = "no-answer";

/**
 * A command that failed.
 *
 * `status` is the exit status, null if it did not end by itself; `kind` that of the error, such
 * as `PathsRefused`, "" if dnf itself failed. `message` and `hint` have one or more lines.
 * `problem` is Cockpit's word such as `not-found`, `access-denied` or `disconnected`, or one of
 * the constants above, or "". `error` is the whole error object of the answer, or null.
 */
export class CommandFailed extends Error {
    /** @param {Partial<import("./answers").Failure>} failure */
    constructor(failure) {
        // What has no kind is of another program, and stays as it was printed.
        super(failure.kind ? sentence(failure.message ?? "") : failure.message ?? "");
        this.name = "CommandFailed";
        this.status = failure.status ?? null;
        this.kind = failure.kind ?? "";
        this.hint = failure.hint ?? "";
        this.packages = failure.packages ?? [];
        this.paths = failure.paths ?? [];
        this.problem = failure.problem ?? "";
        this.error = failure.error ?? null;
    }

    /** Whether another process holds a lock, so that it may work later. */
    get locked() {
        return this.status === LOCKED;
    }
}

/**
 * Return the answer of a command that only reads, with as many rights as the user has.
 *
 * @param {string[]} words the command and its arguments, without --json
 * @param {{superuser?: "try" | "require" | null}} [options]
 * @returns {Promise<any>} an answer, whose types are in answers.d.ts
 */
export function read(words, options = {}) {
    const {superuser = "try"} = options;
    const run = {};
    return lines([...words, "--progress"], superuser, event => {
        tell(run, event.event === "message" && WAITING.test(event.text) ? event.text : "");
    }).done.finally(() => tell(run, ""));
}

/**
 * Call `listener` when a command that reads begins to wait for another process, with the words
 * of dnf, and with "" when none waits any more.
 *
 * @param {(text: string) => void} listener
 */
export function onWaiting(listener) {
    waitListener = listener;
}

/**
 * @param {object} run
 * @param {string} text
 */
function tell(run, text) {
    if ((waits.get(run) ?? "") === text)
        return;
    waits.delete(run);
    if (text)
        waits.set(run, text);
    waitListener([...waits.values()].at(-1) ?? "");
}

/**
 * Return the answer of a command that changes something; it needs administrative access.
 *
 * @param {string[]} words the command and its arguments, without -y and --json
 * @returns {Promise<any>}
 */
export function change(words) {
    const [program, ...command] = PROGRAM;
    return answer([program, "-y", ...command, ...words, "--json"], "require");
}

/**
 * Run a command that answers in lines of JSON, and call `listener` with each; others are left out.
 *
 * @param {string[]} words
 * @param {(event: any) => void} listener
 * @returns {{done: Promise<any>, stop: () => void}} the last line; a failure has its `error`
 */
export function follow(words, listener) {
    return lines(words, "try", listener);
}

/**
 * @param {string[]} words
 * @param {"try" | "require" | null} superuser
 * @param {(event: any) => void} listener
 * @returns {{done: Promise<any>, stop: () => void}}
 */
function lines(words, superuser, listener) {
    const process = spawn([...PROGRAM, ...words, "--json"], superuser);
    const done = new Promise((resolve, reject) => {
        let rest = "";
        let other = "";
        /** @type {any} */
        let last = null;
        const take = (/** @type {string} */ line) => {
            const event = parsed(line);
            if (event) {
                last = event;
                listener(event);
            } else
                other += `${line}\n`;
        };
        process.stream(data => {
            // An answer of many megabytes comes in small parts: it is looked at only once.
            if (!data.includes("\n")) {
                rest += data;
                return;
            }
            const whole = (rest + data).split("\n");
            rest = whole.pop() ?? "";
            whole.forEach(take);
        });
        process.then(() => {
            take(rest);
            if (last)
                resolve(last);
            else
                reject(new CommandFailed({status: 0, problem: NO_ANSWER, message: other.trim()}));
        }, failure => {
            // The status is that of the change: the last line has its result.
            if (last?.event === "result")
                resolve(last);
            else
                reject(failed(failure, last ? JSON.stringify(last) : other + rest));
        });
    });
    return {done, stop: () => process.close("terminated")};
}

/**
 * @param {string[]} argv
 * @param {"try" | "require" | null} superuser
 * @returns {Promise<any>}
 */
function answer(argv, superuser) {
    return new Promise((resolve, reject) => {
        let out = "";
        const process = spawn(argv, superuser);
        process.stream(data => {
            out += data;
        });
        process.then(() => {
            const document = parsed(out);
            if (document)
                resolve(document);
            else
                reject(new CommandFailed({status: 0, problem: NO_ANSWER, message: out}));
        }, failure => {
            // verify has a status of its own for the problems that it found.
            const document = parsed(out);
            if (document && !document.error)
                resolve(document);
            else
                reject(failed(failure, out));
        });
    });
}

/**
 * @param {string[]} argv
 * @param {"try" | "require" | null} superuser
 */
function spawn(argv, superuser) {
    return cockpit.spawn(argv, {err: "message", environ: ENVIRONMENT, superuser});
}

/**
 * Return a document or null, if `text` is none.
 *
 * @param {string} text
 * @returns {any}
 */
function parsed(text) {
    try {
        const document = JSON.parse(text);
        return typeof document === "object" ? document : null;
    } catch {
        return null;
    }
}

/**
 * Return the failure of a command.
 *
 * @param {any} failure what Cockpit rejects with
 * @param {string} out the standard output
 */
export function failed(failure, out) {
    const error = parsed(out)?.error;
    const status = failure.exit_status ?? null;
    if (error)
        return new CommandFailed({...error, status: error.status ?? status, error});
    const message = String(failure.message || out).trim();
    const missing = MISSING.test(message);
    return new CommandFailed({
        status,
        problem: missing ? NO_COMMAND : failure.problem ?? "",
        message: message || _("The command gave no reason."),
    });
}
