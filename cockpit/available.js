// @ts-check
/** A view that is still to come. */

import {element, replace} from "./dom.js";

/**
 * @param {HTMLElement} container
 * @param {import("./main.js").Params} params
 * @returns {() => void}
 */
export function render(container, params) {
    replace(container, element("h1", null, params.path[0] ?? ""));
    return () => {};
}
