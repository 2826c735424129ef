// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
import { checked } from "./declared.js";
/** The option of a job that says which schema its payload was checked by. BullMQ keeps what it does not know. */
const SCHEMA_HASH = "barback:schema";
/** A job of this payload, checked. @throws InvalidPayload; TypeError an option is not allowed. */
export function make(job, payload, options, place) {
    const data = checked(job, payload, place);
    const { unique, ...given } = options ?? {};
    const opts = { ...job.options, ...given };
    const key = unique === undefined ? job.key?.(data) : unique;
    if (key != null && opts.deduplication === undefined) {
        opts.deduplication = { id: `${job.name}:${key}`, keepLastIfActive: true };
    }
    const rule = opts.deduplication;
    // What is not delayed cannot be replaced.
    if (rule !== undefined && "replace" in rule && rule.replace && rule.ttl && !opts.delay)
        opts.delay = rule.ttl;
    if (rule !== undefined && "keepLastIfActive" in rule && rule.keepLastIfActive && opts.jobId !== undefined) {
        throw new TypeError(`'${job.name}' is unique (keeps the last one); such a job cannot have a jobId too.`);
    }
    return { name: job.name, data, opts: Object.assign(opts, { [SCHEMA_HASH]: job.schemaHash }) };
}
/** A job and those that must finish before it, for `client.enqueueFlow`. @throws InvalidPayload */
export function flow(job, payload, ...rest) {
    const { children, ...options } = (rest[0] ?? {});
    const made = { ...make(job, payload, options, []), queueName: job.queue };
    return (children === undefined ? made : { ...made, children: [...children] });
}
