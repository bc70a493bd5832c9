// @ts-check
/**
 * The page: it shows the view that the address names.
 *
 * Each view is a module with `render(container, params)`, which fills the container and
 * returns a function that releases everything. `params` is the rest of the address.
 */

import * as available from "./available.js";
import * as change from "./change.js";
import {replace} from "./dom.js";
import {frame} from "./frame.js";
import * as overview from "./overview.js";
import * as plan from "./plan.js";
import * as plugin from "./plugin.js";
import {start} from "./state.js";
import {_, language} from "./text.js";
import {followTheme} from "./theme.js";

/**
 * @typedef {{path: string[], options: {[name: string]: string | string[]}}} Params
 * @typedef {{render: (container: HTMLElement, params: Params) => (() => void)}} View
 */

/** @type {{[name: string]: View}} */
const VIEWS = {"": overview, plugin, available, plan, change};
// The tab of each view; the plan and a change belong to none.
const TABS = new Map([["", ""], ["plugin", ""], ["available", "available"], ["change", "change"]]);

function main() {
    document.documentElement.lang = language();
    document.documentElement.dir = cockpit.language_direction || "ltr";
    document.title = _("Node plugins");
    followTheme();
    const page = document.getElementById("page");
    if (!page)
        return;
    const {content, select} = frame(page);
    let release = () => {};
    const show = () => {
        const [name = "", ...path] = cockpit.location.path;
        const view = Object.hasOwn(VIEWS, name) ? name : "";
        release();
        replace(content);
        release = VIEWS[view].render(content, {path, options: cockpit.location.options});
        select(TABS.get(view) ?? null, path.length === 0);
    };
    cockpit.addEventListener("locationchanged", () => {
        show();
        focusHeading(content);
    });
    show();
    start();
}

/**
 * Move the focus to the heading of a new view, so that screen readers begin there.
 *
 * @param {HTMLElement} content
 */
function focusHeading(content) {
    const heading = content.querySelector("h1") ?? content;
    heading.setAttribute("tabindex", "-1");
    /** @type {HTMLElement} */ (heading).focus();
    window.scrollTo(0, 0);
}

main();
