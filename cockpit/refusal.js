// @ts-check
/** Shows why a plan or a change was refused: the words of the command, with everything it names. */

import {element} from "./dom.js";
import {card, disputedTable, list} from "./plan_view.js";
import {problemAlert} from "./problems.js";
import {_, plural} from "./text.js";
import {button} from "./widgets.js";

/**
 * @typedef {import("./command.js").CommandFailed} CommandFailed
 * @typedef {import("./plan_request.js").PlanRequest} PlanRequest
 * @typedef {import("./answers").ErrorAnswer} ErrorAnswer
 * `again` makes the plan again, null if the page cannot.
 *
 * @typedef {{again: (() => void) | null, replan: (request: PlanRequest) => void}} Steps
 */

/**
 * @param {CommandFailed} failure
 * @param {PlanRequest | null} request that can be planned again, if there is one
 * @param {Steps} steps what a user can do next
 * @returns {import("./dom.js").Child[]}
 */
export function refusalView(failure, request, {again, replan}) {
    const {error} = failure;
    const changed = failure.kind === "PlanChanged";
    return [
        problemAlert(failure, changed ? null : again),
        changed && again ? element("div", {class: "actions"}, button(_("Show the new plan"), again,
                                                                     {kind: "primary"})) : null,
        error && named(error),
        request && hasReason(failure, "Drifted") && !request.keepModified ? keepModified(request, replan) : null,
        request && hasReason(failure, "Refused") && request.operation === "upgrade" && request.names.length
            ? asInstall(request, replan) : null,
    ];
}

/**
 * Return whether a kind of error is the failure, or one of its reasons.
 *
 * @param {CommandFailed} failure
 * @param {string} kind
 */
function hasReason({kind: own, error}, kind) {
    return own === kind || (error?.reasons ?? []).some(reason => reason.kind === kind);
}

/**
 * Return what an error and its reasons name: packages, changed files and refused files.
 *
 * @param {ErrorAnswer} error
 * @returns {import("./dom.js").Child[]}
 */
function named(error) {
    return [
        error.packages?.length ? card(_("Packages of the system that would have to change"),
                                      list(error.packages)) : null,
        error.paths?.length ? card(_("Files that were changed since the installation"),
                                   list(error.paths.map(path => `/${path.replace(/^\/+/, "")}`))) : null,
        error.disputed_files?.length ? card(
            plural("$0 refused file", "$0 refused files", error.disputed_files.length),
            disputedTable(error.disputed_files)) : null,
        // The message of the whole has those of the reasons.
        (error.reasons ?? []).map(named),
    ];
}

/**
 * @param {PlanRequest} request
 * @param {(request: PlanRequest) => void} replan
 */
function keepModified(request, replan) {
    return card(_("Keep the changed files"),
                element("p", null, _("The removal can leave these files as they are now. No later change of plugins removes them.")),
                element("div", {class: "actions"}, button(
                    _("Plan the removal and keep these files"),
                    () => replan({...request, keepModified: true}))));
}

/**
 * @param {PlanRequest} request
 * @param {(request: PlanRequest) => void} replan
 */
function asInstall(request, replan) {
    return card(_("Plan it as an installation"),
                element("p", null, _("An upgrade never changes the origin of a plugin. The plan of an installation shows both origins, and you decide.")),
                element("div", {class: "actions"}, button(
                    _("Plan the installation"), () => replan({...request, operation: "install"}))));
}
