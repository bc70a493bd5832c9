// @ts-check
/**
 * What a plan is asked for: as a part of the address, and as words of the command. Without DOM.
 *
 * An address may come from anywhere. It names an operation, plugins and repositories; an option
 * that trusts a key or accepts an origin is added by a choice in the page only.
 *
 * @typedef {"install" | "upgrade" | "repair" | "remove"} Operation
 */

/**
 * `names` are names of plugins, none for all where the operation allows that; `repos` the ids of
 * plugin repositories that are enabled for this run; `keepModified` is whether a removal keeps
 * changed files.
 *
 * @typedef {{operation: Operation, names: string[], repos: string[], keepModified: boolean}} PlanRequest
 */

const NEEDS_NAMES = {install: true, upgrade: false, repair: false, remove: true};
// As is_plugin_name of registry/rules.py, and the characters of a repository id in dnf.conf(5).
// Neither can be an option of the command.
const NAME = /^[a-z0-9][a-z0-9._+-]{0,63}$/;
const REPO = /^[A-Za-z0-9][A-Za-z0-9_.:-]*$/;
const ENABLE = "--enablerepo=";
const KEEP_MODIFIED = "--keep-modified";

/**
 * Return a request, null if there is none in what is given.
 *
 * @param {string} operation
 * @param {string[]} names
 * @param {string[]} options of the command; those of a request are used, others are ignored
 * @returns {PlanRequest | null}
 */
export function requestOf(operation, names, options) {
    if (!isOperation(operation) || (!names.length && NEEDS_NAMES[operation]))
        return null;
    const repos = options.filter(word => word.startsWith(ENABLE))
            .flatMap(word => word.slice(ENABLE.length).split(","));
    if (!names.every(name => NAME.test(name)) || !repos.every(repo => REPO.test(repo)))
        return null;
    return {
        operation, names, repos,
        keepModified: operation === "remove" && options.includes(KEEP_MODIFIED),
    };
}

/**
 * Return the options of the command for a request.
 *
 * @param {PlanRequest} request
 */
export function requestOptions(request) {
    return [
        ...request.repos.map(repo => `${ENABLE}${repo}`),
        ...(request.keepModified ? [KEEP_MODIFIED] : []),
    ];
}

/**
 * Return the words of the command that makes the plan.
 *
 * @param {PlanRequest} request
 */
export function planWords(request) {
    return [request.operation, "--dry-run", ...requestOptions(request), ...request.names];
}

/**
 * Return the words of the command that carries out the plan with this digest, and no other one.
 *
 * @param {PlanRequest} request
 * @param {string} digest
 * @param {string[]} accepted the options that the user has chosen
 */
export function changeWords(request, digest, accepted) {
    return [request.operation, "--detach", `--plan-digest=${digest}`, ...accepted,
            ...requestOptions(request), ...request.names];
}

/**
 * Return the request of a change, to make its plan again; null if the page cannot ask for it, for
 * example for the path of a bundle.
 *
 * @param {{operation: string, names: string[], command: string[]}} change
 */
export function requestAgain(change) {
    return requestOf(change.operation, change.names, change.command);
}

/**
 * @param {string} operation
 * @returns {operation is Operation}
 */
function isOperation(operation) {
    return Object.hasOwn(NEEDS_NAMES, operation);
}
