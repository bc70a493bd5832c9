// @ts-check
/** What becomes of a change, as data. Without DOM. */

import {_} from "./text.js";

/**
 * @typedef {import("./answers").Change} Change
 * @typedef {import("./answers").ProgressEvent} ProgressEvent
 * @typedef {import("./answers").PlanAnswer} PlanAnswer
 * @typedef {import("./answers").ErrorAnswer} ErrorAnswer
 */

/**
 * A step of a change. `done` and `total` are in `unit`; `total` is null if it is not known.
 *
 * @typedef {{step: string, text: string, unit: string, done: number, total: number | null,
 *            left: number | null, ended: boolean, elapsed: number | null}} Step
 */

const UNIT = /^ovirt-node-plugin-[A-Za-z0-9_.:@-]+\.service$/;

/**
 * Return whether a text from an address can be the unit of a change, and no option of systemctl.
 *
 * @param {string} text
 */
export function isUnit(text) {
    return UNIT.test(text);
}

/**
 * Return the steps after an event; the steps before are not changed.
 *
 * @param {Step[]} steps
 * @param {ProgressEvent} event
 * @returns {Step[]}
 */
export function stepsAfter(steps, event) {
    const known = steps.findIndex(each => each.step === event.step && !each.ended);
    /** @type {Step} */
    const before = known < 0 ? {
        step: event.step ?? "", text: event.text ?? event.step ?? "", unit: event.unit ?? "",
        done: 0, total: event.total ?? null, left: null, ended: false, elapsed: null,
    } : steps[known];
    /** @type {Step} */
    let after;
    if (event.event === "step")
        after = {...before, text: event.text ?? before.text, total: event.total ?? null};
    else if (event.event === "progress")
        after = {
            ...before,
            done: event.done ?? before.done,
            total: event.total ?? before.total,
            left: event.left_s ?? null,
        };
    else if (event.event === "step-done")
        after = {...before, ended: true, left: null, elapsed: event.elapsed_s ?? null};
    else
        return steps;
    return known < 0 ? [...steps, after] : steps.map((each, index) => index === known ? after : each);
}

/**
 * Return the percentage of a step, null if its total is not known.
 *
 * @param {Step} step
 */
export function percent({done, total, ended}) {
    if (ended)
        return 100;
    return total ? Math.max(0, Math.min(100, Math.floor(100 * done / total))) : null;
}

/**
 * Return what came of a change that has ended, for its title; `null` while it runs.
 *
 * @param {Change} change
 * @returns {{kind: "success" | "warning" | "danger", title: string, text: string} | null}
 */
export function outcome(change) {
    const error = errorOf(change);
    const plan = planOf(change);
    if (change.state === "running")
        return null;
    if (change.state === "done")
        return {
            kind: "success",
            title: plan && !plan.changes ? _("There was nothing to do.") : _("The change is complete."),
            text: "",
        };
    if (change.state === "lost")
        return {
            kind: "danger",
            title: _("The change ended without a result."),
            text: _("It was killed, or the host was restarted. What it did not complete is undone by the next command, such as a check of the plugins."),
        };
    if (plan?.unrepaired)
        return {kind: "warning", title: _("Not everything was repaired."), text: ""};
    return {kind: "danger", ...failure(change.exit_status, error?.kind ?? "")};
}

/**
 * @param {number | null} status
 * @param {string} kind
 */
function failure(status, kind) {
    const unchanged = _("Nothing has changed.");
    if (kind === "PlanChanged")
        return {title: _("The plan is no longer the one that was shown."), text: unchanged};
    if (kind === "Interrupted")
        return {title: _("The change was stopped and undone."), text: unchanged};
    switch (status) {
    case 8:
        return {title: _("The change failed and was undone."), text: unchanged};
    case 9:
        return {
            title: _("The change failed, and the plugins are not as recorded."),
            text: _("Check the plugins: the list of installed plugins shows what is broken."),
        };
    case 200:
        return {title: _("Another process is changing the host."), text: unchanged};
    case null:
    case 1:
        return {title: _("The change failed."), text: ""};
    }
    return {title: _("The change was refused."), text: unchanged};
}

/**
 * Return the error of a change that has failed, null if it has none.
 *
 * @param {Change} change
 * @returns {ErrorAnswer | null}
 */
export function errorOf({answer}) {
    return answer && typeof answer === "object" ? answer.error ?? (isError(answer) ? answer : null) : null;
}

/**
 * Return the plan that was carried out, null if there is none.
 *
 * @param {Change} change
 * @returns {PlanAnswer | null}
 */
export function planOf({answer}) {
    return answer && Array.isArray(answer.plugins) ? answer : null;
}

/** @param {any} answer */
function isError(answer) {
    return typeof answer.message === "string" && typeof answer.kind === "string";
}

/**
 * Return what a removal has taken away, in numbers.
 *
 * @param {import("./answers").Delta} delta
 */
export function deltaCounts(delta) {
    return {
        packages: delta.packages.removed.length,
        files: delta.files.removed.length,
        changed: delta.files.changed.length,
        settings: delta.settings.off.length,
        accounts: delta.accounts.removed.length,
    };
}
