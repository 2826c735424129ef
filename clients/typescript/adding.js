// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
import { checked } from "./declared.js";
import { checkNewId } from "./ids.js";
/** The option of a job that says which schema its payload was checked by. BullMQ keeps what it does not know. */
const SCHEMA_HASH = "barback:schema";
/** Jobs, and characters of their payloads, that are sent at a time. */
const CHUNK = 1_000;
const CHUNK_CHARACTERS = 4 * 1024 * 1024;
/** A job of this payload, checked. @throws InvalidPayload; TypeError an option is not allowed. */
export function make(job, payload, options, place) {
    const data = checked(job, payload, place);
    const { unique, deduplication = ruleOf(job, data, unique), ...given } = withoutUndefined(options ?? {});
    const opts = { ...job.options, ...given, deduplication };
    // What is not delayed cannot be replaced.
    if (deduplication?.replace && deduplication.ttl && !opts.delay)
        opts.delay = deduplication.ttl;
    if (opts.jobId !== undefined) {
        checkNewId(opts.jobId);
        if (deduplication?.keepLastIfActive) {
            throw new TypeError(`'${job.name}' is unique (keeps the last one); such a job cannot have a jobId too.`);
        }
    }
    return { name: job.name, data, opts: Object.assign(opts, { [SCHEMA_HASH]: job.schemaHash }) };
}
/** Which schema the payload of a job was checked by, if it says. */
export function schemaHashOf(job) {
    const hash = Reflect.get(job.opts, SCHEMA_HASH);
    return typeof hash === "string" ? hash : undefined;
}
/** BullMQ takes an option that is given as undefined for one that is not declared either. */
export function withoutUndefined(options) {
    return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
/** By which rule a job is the same as another. `unique`: its key; null: by none; undefined: by what is declared. */
function ruleOf(job, data, unique) {
    if (unique === undefined && job.unique === "told") {
        throw new TypeError(`What makes '${job.name}' unique is code of Python's: say it, { unique: "the key" }, or { unique: null }.`);
    }
    const declared = job.options.deduplication;
    if (declared !== undefined && unique !== null)
        return unique === undefined ? declared : { ...declared, id: unique };
    const key = unique === undefined ? job.key?.(data) : unique;
    return key == null ? undefined : { id: `${job.name}:${key}`, keepLastIfActive: true };
}
/** In the order given, so many as are sent at a time. */
export function chunks(made) {
    const all = [];
    let size = Infinity;
    for (const one of made) {
        if (size >= CHUNK_CHARACTERS || all.at(-1)?.length === CHUNK) {
            all.push([]);
            size = 0;
        }
        all.at(-1)?.push(one);
        size += JSON.stringify(one.data).length;
    }
    return all;
}
/** A job and those that must finish before it, for `client.enqueueFlow`. @throws InvalidPayload; TypeError */
export function flow(job, payload, ...[given]) {
    const { children = [], ...options } = (given ?? {});
    return { ...make(job, payload, options, []), job, queueName: job.queue, children: [...children] };
}
