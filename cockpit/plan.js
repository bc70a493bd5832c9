// @ts-check
/**
 * The plan of a change, before anything is done: #/plan/OPERATION?names=…&options=…
 *
 * Only the plan that is shown can be carried out: its digest goes to the command, which refuses
 * another one.
 */

import {change, CommandFailed, read} from "./command.js";
import {element, redraw, replace} from "./dom.js";
import {conditions, missingKeys, unsignedPackages} from "./plan_data.js";
import {changeWords, planWords, requestOf, requestOptions} from "./plan_request.js";
import {planView} from "./plan_view.js";
import {refusalView} from "./refusal.js";
import {canChange, refresh, subscribe} from "./state.js";
import {_, format, plural} from "./text.js";
import {alert, announce, button, spinner} from "./widgets.js";

/**
 * @typedef {import("./plan_request.js").PlanRequest} PlanRequest
 * @typedef {import("./answers").PlanAnswer} PlanAnswer
 */

/**
 * Show the plan of an operation.
 *
 * @param {{operation: string, names: string[], options?: string[]}} wanted `options` are those
 *     of the command, such as --enablerepo=ID
 */
export function openPlan({operation, names, options = []}) {
    cockpit.location.go(["plan", operation], {
        ...(names.length ? {names: names.join(",")} : {}),
        ...(options.length ? {options: options.join(",")} : {}),
    });
}

/**
 * @param {HTMLElement} container
 * @param {import("./main.js").Params} params
 * @returns {() => void}
 */
export function render(container, {path, options}) {
    const request = requestOf(path[0] ?? "", wordsOf(options.names), wordsOf(options.options));
    if (!request) {
        replace(container, element("h1", null, _("Plan")),
                alert("danger", _("The address names no change that this page can plan.")));
        return () => {};
    }
    const view = new PlanView(container, request);
    view.start();
    return () => view.release();
}

/** @param {string | string[] | undefined} value */
function wordsOf(value) {
    return [value ?? []].flat().flatMap(text => text.split(",")).filter(Boolean);
}

/** @param {PlanRequest} request */
function titleOf({operation, names}) {
    const of = names.join(", ");
    if (!names.length)
        return operation === "upgrade" ? _("Upgrade of all plugins") : _("Repair of all plugins");
    return format({
        install: _("Installation of $0"),
        upgrade: _("Upgrade of $0"),
        repair: _("Repair of $0"),
        remove: _("Removal of $0"),
    }[operation], of);
}

/** The view of one request. */
class PlanView {
    #released = false;
    #sent = false;
    /** @type {PlanAnswer | null} */
    #plan = null;
    /** @type {Set<string>} */
    #accepted = new Set();

    /**
     * @param {HTMLElement} container
     * @param {PlanRequest} request
     */
    constructor(container, request) {
        this.request = request;
        this.body = element("div", {class: "plan"});
        this.decision = element("div", {class: "card card-body decision", hidden: true});
        this.stop = subscribe(() => this.drawDecision());
        replace(container, element("h1", null, titleOf(request)), this.body, this.decision);
    }

    release() {
        this.#released = true;
        this.stop();
    }

    /** Make the plan and show it. */
    async start() {
        this.#plan = null;
        this.#sent = false;
        this.#accepted.clear();
        this.drawDecision();
        replace(this.body, spinner(_("Making the plan; packages are downloaded to read what they contain…")));
        try {
            this.#plan = await read(planWords(this.request), {superuser: "require"});
        } catch (error) {
            if (!this.#released)
                replace(this.body, this.#refused(error));
            return;
        }
        if (this.#released)
            return;
        this.#draw();
        announce(_("The plan is complete."));
    }

    /** @param {unknown} error */
    #refused(error) {
        const failure = error instanceof CommandFailed ? error : new CommandFailed({message: String(error)});
        return refusalView(failure, this.request, {
            again: () => this.start(),
            replan: request => openPlan({...request, options: requestOptions(request)}),
        });
    }

    #draw() {
        const plan = this.#plan;
        if (!plan)
            return;
        replace(this.body,
                plan.changes ? null : alert("info", _("Nothing to do.")),
                this.request.keepModified
                    ? alert("warning", _("Files that were changed since the installation are kept.")) : null,
                planView(plan, plan.changes ? {
                    accepted: this.#accepted,
                    choose: () => this.drawDecision(),
                } : null));
        this.drawDecision();
    }

    /** Draw the button that carries the plan out, and why it cannot be used yet. */
    drawDecision() {
        const plan = this.#plan;
        this.decision.hidden = !plan?.changes || !canChange();
        if (!plan || this.decision.hidden)
            return;
        const open = conditions(plan).filter(option => !this.#accepted.has(option)).length;
        const words = {
            install: _("Install"), upgrade: _("Upgrade"), repair: _("Repair"), remove: _("Remove"),
        };
        const refused = missingKeys(plan).length > 0 || unsignedPackages(plan).length > 0 || !plan.digest;
        redraw(this.decision, JSON.stringify([plan.digest, refused, open, this.#sent]), () => [
            open ? element("p", null, plural("Select $0 checkbox above first.",
                                             "Select $0 checkboxes above first.", open)) : null,
            plan.digest ? null : element("p", null, _("This version of the command cannot carry out a change in the background. Update it, or use the terminal.")),
            element("div", {class: "actions"},
                    button(words[this.request.operation], () => this.#carryOut(), {
                        kind: this.request.operation === "remove" ? "danger" : "primary",
                        disabled: this.#sent || open > 0 || refused,
                    }),
                    button(_("Make the plan again"), () => this.start(), {disabled: this.#sent}),
                    button(_("Cancel"), () => cockpit.location.go([]), {disabled: this.#sent})),
        ]);
    }

    async #carryOut() {
        const digest = this.#plan?.digest;
        if (this.#sent || !digest)
            return; // a second click before the button was drawn again
        this.#sent = true;
        this.drawDecision();
        try {
            const {unit} = await change(changeWords(this.request, digest, [...this.#accepted]));
            refresh();
            if (!this.#released)
                cockpit.location.go(["change", unit]);
        } catch (error) {
            if (this.#released)
                return;
            this.#plan = null;
            this.drawDecision();
            replace(this.body, this.#refused(error));
        }
    }
}
