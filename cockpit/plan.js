// @ts-check
/** The plan of a change; a view that is still to come. */

import {element, replace} from "./dom.js";

/**
 * Show the plan of an operation.
 *
 * @param {{operation: string, names: string[], options?: string[]}} wanted `options` are those
 *     of the command, such as --enablerepo=ID
 */
export function openPlan({operation, names, options = []}) {
    cockpit.location.go(["plan", operation], {names: names.join(","), options: options.join(",")});
}

/**
 * @param {HTMLElement} container
 * @param {import("./main.js").Params} params
 * @returns {() => void}
 */
export function render(container, params) {
    replace(container, element("h1", null, params.path[0] ?? ""));
    return () => {};
}
