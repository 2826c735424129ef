// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
/**
 * Enqueues jobs that a worker in Python works, waits for their results, and works those that Python enqueues.
 * Nothing is connected before the first call, and every payload is checked before it is sent.
 */
import { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } from "bullmq";
/** The option of a job that says which schema its payload was checked by. BullMQ keeps what it does not know. */
const SCHEMA_HASH = "barback:schema";
/** A payload that does not fit. `fields`: a line for each that is wrong, as `sentTo.lines[0]: expected string`. */
export class InvalidPayload extends Error {
    name = "InvalidPayload";
    fields;
    constructor(job, fields) {
        super(`Payload of '${job}' does not fit: ${fields.join("; ")}`);
        this.fields = fields;
    }
}
/** Check a payload, and give what is to be sent. @throws InvalidPayload */
export function check(job, payload) {
    return checked(job, payload, []);
}
function checked(job, payload, place) {
    const found = job.payload.safeParse(payload);
    if (found.success)
        return found.data;
    throw new InvalidPayload(job.name, found.error.issues.map((issue) => line(place, issue)));
}
function line(place, issue) {
    const path = [...place, ...issue.path];
    // Of a union: why the form did not fit that went furthest.
    if (issue.code === "invalid_union" && issue.errors.length > 0) {
        const [furthest] = issue.errors.flatMap((form) => form).sort((one, other) => depth(other) - depth(one));
        if (furthest !== undefined && furthest.path.length > 0)
            return line(path, furthest);
        return said(path, [...new Set(issue.errors.flatMap((form) => form.map((it) => it.message)))].join(", or: "));
    }
    return said(path, issue.message);
}
function depth(issue) {
    return issue.path.length;
}
function said(path, message) {
    const text = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
    return text === "" ? message : `${text.replace(/^\./, "")}: ${message}`;
}
function make(job, payload, options, place) {
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
/** A job failed for good. `message`: why. */
export class JobFailed extends Error {
    name = "JobFailed";
}
/** How long no event may come before one looks: those are lost that come while a connection is made anew. */
const LOOK_AFTER_MS = 5_000;
/** A job that was enqueued. */
export class Enqueued {
    /** One that was swallowed has the id of the job that swallowed it. */
    id;
    #queue;
    #events;
    constructor(id, queue, events) {
        this.id = id;
        this.#queue = queue;
        this.#events = events;
    }
    /** As it is now; undefined: nothing is kept of it. */
    job() {
        return this.#queue.getJob(this.id);
    }
    /** Wait for its result. @throws JobFailed; Error nothing is kept of it, or `timeoutMs` passed. */
    async result({ timeoutMs } = {}) {
        const signal = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
        for await (const told of this.#follow(signal)) {
            if ("result" in told)
                return told.result;
            if ("failed" in told)
                throw new JobFailed(told.failed);
            if ("gone" in told)
                throw new Error(`There is no job ${this.id} in ${this.#queue.name}: nothing is kept of it.`);
        }
        throw new Error(`Job ${this.id} of ${this.#queue.name} has not ended within ${timeoutMs} ms.`);
    }
    /** What it reports, from its last report on, until it ends. */
    async *progress({ signal } = {}) {
        let last;
        for await (const told of this.#follow(signal)) {
            if (!("progress" in told))
                continue;
            const text = JSON.stringify(told.progress);
            // A look and an event may tell of the same report.
            if (text !== last)
                yield told.progress;
            last = text;
        }
    }
    /** All that is told of it until it ends. */
    async *#follow(signal) {
        const told = [];
        let wake = () => undefined;
        const stop = await this.#listen((one) => {
            told.push(one);
            wake();
        });
        try {
            while (!signal?.aborted) {
                told.length = 0;
                told.push(...(await this.#look()));
                do {
                    for (let one = told.shift(); one !== undefined; one = told.shift()) {
                        yield one;
                        if (!("progress" in one))
                            return;
                    }
                    await quiet(LOOK_AFTER_MS, signal, (resolve) => (wake = resolve));
                } while (told.length > 0);
            }
        }
        finally {
            stop();
        }
    }
    /** As it is now: its last report, and how it ended. */
    async #look() {
        const job = await this.job();
        if (job === undefined)
            return [{ gone: true }];
        // 0 is what BullMQ stores before the first report.
        const told = job.progress === 0 ? [] : [{ progress: job.progress }];
        if (job.finishedOn === undefined)
            return told;
        const failed = (await job.getState()) === "failed";
        return [...told, failed ? { failed: job.failedReason } : { result: job.returnvalue }];
    }
    async #listen(tell) {
        const events = await this.#events();
        const mine = (make) => (args) => {
            if (args.jobId === this.id)
                tell(make(args));
        };
        const listeners = {
            progress: mine(({ data }) => ({ progress: data })),
            completed: mine(({ returnvalue }) => ({ result: returnvalue })),
            failed: mine(({ failedReason }) => ({ failed: failedReason })),
            removed: mine(() => ({ gone: true })),
        };
        const names = Object.keys(listeners);
        for (const name of names)
            events.on(name, listeners[name]);
        return () => {
            for (const name of names)
                events.off(name, listeners[name]);
        };
    }
}
/** Wait for so long, until `woken` is, or the signal comes. */
async function quiet(ms, signal, woken) {
    let timer;
    let wake = () => undefined;
    try {
        await new Promise((resolve) => {
            wake = resolve;
            woken(resolve);
            timer = setTimeout(resolve, ms);
            signal?.addEventListener("abort", wake);
            if (signal?.aborted)
                resolve();
        });
    }
    finally {
        clearTimeout(timer);
        signal?.removeEventListener("abort", wake);
    }
}
/** A client of these jobs: `createClient({ updateCafeStats }, { connection })`. Make one a process and keep it. */
export function createClient(jobs, options) {
    const queues = new Map();
    const listeners = new Map();
    let flows;
    const queue = (name) => once(queues, name, () => new Queue(name, options));
    const events = async (name) => {
        const listener = once(listeners, name, () => {
            const made = new QueueEvents(name, options);
            // Each job that is followed has its own.
            made.setMaxListeners(0);
            return made;
        });
        await listener.waitUntilReady();
        return listener;
    };
    const enqueued = (name, id) => new Enqueued(id ?? "", queue(name), () => events(name));
    const each = (of) => Object.fromEntries(Object.entries(jobs).map(([name, job]) => [name, of(job)]));
    return {
        enqueue: each((job) => async (payload, given) => {
            const { name, data, opts } = make(job, payload, given, []);
            return enqueued(job.queue, (await queue(job.queue).add(name, data, opts)).id);
        }),
        enqueueMany: each((job) => async (payloads, given) => {
            const own = (payload) => (typeof given === "function" ? given(payload) : given);
            const made = payloads.map((payload, index) => make(job, payload, own(payload), [index]));
            return (await queue(job.queue).addBulk(made)).map((added) => enqueued(job.queue, added.id));
        }),
        find: each((job) => (id) => enqueued(job.queue, id)),
        enqueueFlow: (root) => (flows ??= new FlowProducer(options)).add(root),
        queue,
        close: async () => {
            const opened = [...listeners.values(), ...queues.values(), ...(flows === undefined ? [] : [flows])];
            listeners.clear();
            queues.clear();
            flows = undefined;
            await Promise.all(opened.map((one) => one.close()));
        },
    };
}
function once(known, name, open) {
    const found = known.get(name);
    if (found !== undefined)
        return found;
    const opened = open();
    known.set(name, opened);
    return opened;
}
/** Work `job` with `run`, which is given a payload that was checked; what it gives is the job's result. */
export function handle(job, run) {
    return { job, run };
}
/**
 * What BullMQ's `Worker` takes. A payload that does not fit, or a name that no handler has, fails its job once,
 * without retries.
 */
export function createProcessor(handlers) {
    const known = new Map(handlers.flatMap((one) => [one.job.name, ...one.job.formerNames].map((name) => [name, one])));
    return async (job) => {
        const handler = known.get(job.name);
        if (handler === undefined) {
            throw new UnrecoverableError(`No job named '${job.name}' is handled here. Known: ${[...known.keys()].join(", ")}.`);
        }
        return handler.run(fitting(handler.job, job.data), job);
    };
}
function fitting(job, data) {
    try {
        return checked(job, data, []);
    }
    catch (error) {
        if (!(error instanceof InvalidPayload))
            throw error;
        throw new UnrecoverableError(`${error.message} (this worker knows schema ${job.schemaHash})`);
    }
}
/** A worker of the queue that all these handlers share. @throws TypeError they are of several queues, or none. */
export function createWorker(handlers, options) {
    const [queue, ...others] = new Set(handlers.map(({ job }) => job.queue));
    if (queue === undefined || others.length > 0) {
        throw new TypeError(`A worker has one queue; these handlers have ${[queue, ...others].join(", ") || "none"}.`);
    }
    return new Worker(queue, createProcessor(handlers), options);
}
