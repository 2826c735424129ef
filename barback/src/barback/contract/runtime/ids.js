/** Which ids jobs may have. Python has the same rules. */
/** Ends of keys of BullMQ's own, and of Python's: a job of such an id would overwrite the queue itself. */
const RESERVED = new Set([
    "active", "wait", "waiting", "waiting-children", "paused", "completed", "failed", "delayed", "prioritized",
    "repeat", "stalled", "stalled-check", "limiter", "id", "meta", "pc", "events", "marker", "de", "dn",
    "priority", "metrics", "barback-cancels", "barback-checked",
]);
const LONGEST = 512;
/** @throws TypeError a job that is enqueued cannot be given this id. */
export function checkNewId(id) {
    refuse(id, wrongInAny(id) ?? wrongInNew(id));
}
/** As for a new one, but BullMQ's own ids are taken too: numbers, and those of jobs that schedules made. @throws TypeError */
export function checkKnownId(id) {
    refuse(id, wrongInAny(id) ?? (/^repeat:.+:\d+$/.test(id) ? undefined : wrongInKeys(id)));
}
function refuse(id, reason) {
    if (reason !== undefined)
        throw new TypeError(`Job id '${String(id).slice(0, 80)}' cannot be used: ${reason}.`);
}
function wrongInNew(id) {
    if (/^-?\p{Nd}+$/u.test(id))
        return "it is an integer, and BullMQ's automatic ids are integers: it would be overwritten";
    return wrongInKeys(id);
}
function wrongInKeys(id) {
    return id.includes(":") ? "it contains ':', which parts BullMQ's keys" : undefined;
}
function wrongInAny(id) {
    if (typeof id !== "string")
        return "it is no text";
    if (id === "")
        return "it is empty";
    if (RESERVED.has(id))
        return "it is the name of one of BullMQ's own keys, which it would overwrite";
    if ([...id].length > LONGEST || /[\0-\x1f]/.test(id)) {
        return `it is longer than ${LONGEST} characters or holds control characters`;
    }
    return undefined;
}
