// @ts-check
/**
 * A change that runs on the host, or has ended: #/change/UNIT; all of the last: #/change
 *
 * The change is a unit of systemd and does not depend on this page. The page follows it, also
 * after it was closed or the session was lost.
 */

import {deltaCounts, errorOf, isUnit, outcome, percent, planOf, stepsAfter} from "./change_data.js";
import {CommandFailed, read} from "./command.js";
import {element, printable, redraw, replace} from "./dom.js";
import {openPlan} from "./plan.js";
import {pluginDone} from "./plan_data.js";
import {requestAgain, requestOptions} from "./plan_request.js";
import {card, list, planView, unrepaired} from "./plan_view.js";
import {problemAlert} from "./problems.js";
import {refusalView} from "./refusal.js";
import {followChange, refresh, state, subscribe} from "./state.js";
import {_, format, number, plural, size, time} from "./text.js";
import {alert, announce, badge, button, confirm, copyBox, definitions, details, emptyState, link,
        newId, spinner, table} from "./widgets.js";

/**
 * @typedef {import("./answers").Change} Change
 * @typedef {import("./change_data.js").Step} Step
 */

/**
 * @param {HTMLElement} container
 * @param {import("./main.js").Params} params
 * @returns {() => void}
 */
export function render(container, {path}) {
    if (!path.length)
        return renderRecent(container);
    if (!isUnit(path[0])) {
        replace(container, element("h1", null, _("Change")),
                alert("danger", _("The address names no change.")));
        return () => {};
    }
    const view = new ChangeView(container, path[0]);
    view.start();
    return () => view.release();
}

/** @param {string} operation */
function operationText(operation) {
    /** @type {{[name: string]: string}} */
    const texts = {
        install: _("Installation"), upgrade: _("Upgrade"), repair: _("Repair"), remove: _("Removal"),
    };
    return Object.hasOwn(texts, operation) ? texts[operation] : operation;
}

/** @param {Change} change */
function stateBadge(change) {
    const shown = outcome(change);
    return shown ? badge(shown.kind, shown.title) : badge("info", _("Running"));
}

/**
 * Show the last changes of the host.
 *
 * @param {HTMLElement} container
 * @returns {() => void}
 */
function renderRecent(container) {
    const body = element("div", {class: "card"});
    replace(container, element("h1", null, _("Last changes")), body);
    const draw = () => redraw(body, JSON.stringify([state.changes, state.busy && !state.changes]), recent);
    const stop = subscribe(draw);
    draw();
    return stop;
}

function recent() {
    if (!state.changes)
        return state.busy ? spinner(_("Reading the changes…"))
            : emptyState(_("The host cannot tell about changes."));
    if (!state.changes.length)
        return state.admin === true
            ? emptyState(_("No plugin was changed from this page since the host was started."))
            : emptyState(_("No change is running."), element("p", null, _(
                "Changes that have ended are shown with administrative access only.")));
    return table({
        caption: _("Last changes"),
        columns: [{label: _("Change")}, {label: _("Plugins")}, {label: _("State")},
                  {label: _("Began")}, {label: _("Ended")}],
        rows: state.changes.map(change => [
            link(["change", change.unit], operationText(change.operation) || _("Change"), "name"),
            change.operation ? change.names.join(", ") || _("all") : "–",
            stateBadge(change),
            time(change.started_at),
            time(change.ended_at) || "–",
        ]),
    });
}

/** The view of one change. */
class ChangeView {
    #released = false;
    /** @type {Step[]} */
    #steps = [];
    /** @type {{stop: () => void} | null} */
    #run = null;
    #stopping = false;
    #unsubscribe = () => {};

    /**
     * @param {HTMLElement} container
     * @param {string} unit
     */
    constructor(container, unit) {
        this.unit = unit;
        this.heading = element("h1", null, _("Change"));
        this.body = element("div", {class: "change"}, spinner(_("Reading the state of the change…")));
        replace(container, this.heading, this.body);
    }

    release() {
        this.#released = true;
        this.#run?.stop();
        this.#unsubscribe();
    }

    /** Read how the change stands, and follow it to its end. */
    async start() {
        try {
            const {changes} = await read(["status", this.unit]);
            if (this.#released)
                return;
            /** @type {Change} */
            const change = changes[0];
            if (change.operation) // which only root can see
                replace(this.heading, `${operationText(change.operation)}: ${change.names.join(", ") || _("all plugins")}`);
            if (change.state === "running")
                this.#follow();
            else
                this.#showEnd(change);
        } catch (error) {
            this.#showFailure(error);
        }
    }

    #follow() {
        this.#steps = [];
        const bars = element("div", {class: "steps"});
        // For others than root the command tells no steps.
        const waiting = state.admin === true ? spinner(_("Reading the progress…")) : null;
        const log = element("pre", {class: "output", tabindex: "0", "aria-label": _("Log")});
        const shown = details(_("Log"), log);
        const stop = button(_("Stop the change"), () => this.#stop(stop), {kind: "secondary"});
        const showStop = () => {
            stop.hidden = state.admin !== true;
        };
        showStop();
        this.#unsubscribe();
        this.#unsubscribe = subscribe(showStop);
        replace(this.body,
                card(_("Progress"), element("p", null, _("The change runs on the host. You can close this page.")),
                     waiting, bars, shown, element("div", {class: "actions"}, stop)));
        const run = followChange(this.unit, event => {
            waiting?.remove();
            if (event.event === "message")
                log.append(printable(String(event.text)), "\n");
            else
                this.#step(event, bars);
        });
        this.#run = run;
        run.done.then(last => this.#ended(last), error => this.#failed(error));
    }

    /**
     * Show the end of the change, which is in the last line.
     *
     * @param {{changes?: Change[]} | null} last
     */
    async #ended(last) {
        this.#run = null;
        if (this.#released)
            return;
        if (last?.changes?.length)
            this.#showEnd(last.changes[0]);
        else
            await this.start();
    }

    /** @param {unknown} error */
    async #failed(error) {
        this.#run = null;
        if (this.#released)
            return;
        if (error instanceof CommandFailed && error.problem)
            this.#showFailure(error);
        else {
            refresh();
            await this.#ended(null);
        }
    }

    /**
     * Draw an event of the progress.
     *
     * @param {import("./answers").ProgressEvent} event
     * @param {HTMLElement} bars
     */
    #step(event, bars) {
        const before = this.#steps;
        this.#steps = stepsAfter(before, event);
        this.#steps.forEach((step, index) => {
            if (step === before[index])
                return;
            const bar = stepBar(step);
            const old = bars.children[index];
            if (old)
                old.replaceWith(bar);
            else {
                bars.append(bar);
                announce(step.text);
            }
        });
    }

    /** @param {HTMLButtonElement} stop */
    async #stop(stop) {
        if (this.#stopping || !await confirm({
            title: _("Stop the change?"),
            body: [element("p", null, _("What was done so far is undone. That can take as long as the change itself."))],
            action: _("Stop the change"),
            kind: "danger",
        }))
            return;
        this.#stopping = true;
        stop.disabled = true;
        replace(stop, _("Stopping…"));
        cockpit.spawn(["systemctl", "stop", "--no-block", "--", this.unit], {superuser: "require", err: "message"})
                .catch(error => {
                    this.#stopping = false;
                    stop.disabled = false;
                    replace(stop, _("Stop the change"));
                    stop.after(problemAlert(new CommandFailed({
                        message: error.message, problem: error.problem ?? "",
                    })));
                });
    }

    /** @param {Change} change */
    #showEnd(change) {
        const shown = outcome(change);
        if (!shown)
            return;
        announce(shown.title);
        const plan = planOf(change);
        const error = errorOf(change);
        const request = requestAgain(change);
        const replan = (/** @type {import("./plan_request.js").PlanRequest} */ wanted) =>
            openPlan({...wanted, options: requestOptions(wanted)});
        replace(this.body,
                alert(shown.kind, shown.title, shown.text && element("p", null, shown.text),
                      plan?.done ? list(plan.plugins.map(pluginDone)) : null,
                      element("div", {class: "actions"}, link([], _("Show the installed plugins"), "button secondary"))),
                error ? refusalView(new CommandFailed({...error, error}), request, {
                    again: request && (() => replan(request)), replan,
                }) : null,
                plan?.unrepaired ? unrepaired(plan.unrepaired) : null,
                plan?.deltas ? plan.deltas.map(deltaCard) : null,
                plan?.done && plan.notes.length ? card(_("Notes"), list(plan.notes)) : null,
                card(_("Details"), definitions([
                    [_("Began"), time(change.started_at)],
                    [_("Ended"), time(change.ended_at)],
                    [_("Unit"), element("code", null, change.unit)],
                    [_("Exit status"), change.exit_status === null ? "" : String(change.exit_status)],
                ]),
                     change.log.length ? details(_("Log"), element(
                         "pre", {class: "output", tabindex: "0"}, change.log.join("\n"))) : null,
                     copyBox([`journalctl -u ${change.unit}`]),
                     plan ? details(_("What was planned"), planView({...plan, notes: [], unrepaired: []}, null)) : null));
    }

    /** @param {unknown} error */
    #showFailure(error) {
        if (this.#released)
            return;
        const failure = error instanceof CommandFailed ? error : new CommandFailed({message: String(error)});
        replace(this.body, problemAlert(failure, () => this.start()));
    }
}

/** @param {Step} step */
function stepBar(step) {
    const done = percent(step);
    const id = newId();
    const amount = (/** @type {number} */ value) => step.unit === "bytes" ? size(value) : number(value);
    const texts = [
        step.total && !step.ended ? format(_("$0 of $1"), amount(step.done), amount(step.total)) : "",
        step.left !== null ? format(_("about $0 s left"), number(Math.ceil(step.left))) : "",
        step.ended ? _("done") : "",
    ].filter(Boolean).join(", ");
    return element("div", {class: "step"},
                   element("div", {class: "step-text"}, element("span", {id}, step.text), element("span", null, texts)),
                   element("progress", {"aria-labelledby": id, max: 100, value: done}));
}

/** @param {import("./answers").Delta} delta */
function deltaCard(delta) {
    const counts = deltaCounts(delta);
    return card(format(_("What the removal of $0 took away"), delta.plugin),
                list([
                    plural("$0 package", "$0 packages", counts.packages),
                    plural("$0 file", "$0 files", counts.files),
                    plural("$0 changed file", "$0 changed files", counts.changed),
                    plural("$0 setting", "$0 settings", counts.settings),
                    plural("$0 account", "$0 accounts", counts.accounts),
                ]),
                delta.scriptlets_skipped.length ? [
                    element("h3", null, _("Scriptlets that were not run")), list(delta.scriptlets_skipped),
                ] : null);
}
