/**
 * Enqueues jobs that a worker in Python works, waits for their results, and works those that Python enqueues.
 * Nothing is connected before the first call, and every payload is checked before it is sent.
 */
import { FlowProducer, Queue, QueueEvents } from "bullmq";
import { chunks, make, withoutUndefined } from "./adding.js";
import { Enqueued, unlessAborted } from "./enqueued.js";
import { checkKnownId } from "./ids.js";
export { flow } from "./adding.js";
export { InvalidPayload, check } from "./declared.js";
export { Enqueued, JobFailed, JobGone, JobUnfinished } from "./enqueued.js";
export { createProcessor, createWorker, handle } from "./worker.js";
/**
 * How one connects who enqueues, unless `connection` says otherwise: what waits to be sent fails with the third connection
 * in vain, which is after two seconds. What was on its way as Redis went, or is with one that stands still, has ten.
 */
const CONNECTING = { maxRetriesPerRequest: 2, retryStrategy: () => 1_000, commandTimeout: 10_000 };
/** How long a connection may take to be closed. */
const GOODBYE_MS = 1_000;
/** A client of these jobs: `createClient({ updateCafeStats }, { connection })`. Make one a process and keep it. */
export function createClient(jobs, options) {
    const queues = new Map();
    const listeners = new Map();
    let flows;
    let open = new AbortController();
    const adding = failingSoon(options);
    const queue = (name) => once(queues, name, () => new Queue(name, adding));
    const events = (name) => once(listeners, name, () => {
        const made = new QueueEvents(name, options);
        // Each job that is followed has its own.
        made.setMaxListeners(0);
        return made;
    });
    // BullMQ gives an id to each job that it takes.
    const enqueued = (job, id) => new Enqueued(id, job, () => queue(job.queue), () => events(job.queue), () => open.signal);
    const entered = (flow, node) => ({
        job: enqueued(flow.job, node.job.id),
        children: flow.children.map((child, index) => entered(child, node.children[index])),
    });
    const each = (of) => Object.fromEntries(Object.entries(jobs).map(([name, job]) => [name, of(job)]));
    return {
        enqueue: each((job) => async (payload, given) => {
            const { name, data, opts } = make(job, payload, given, []);
            return enqueued(job, (await queue(job.queue).add(name, data, opts)).id);
        }),
        enqueueMany: each((job) => async (payloads, given) => {
            const own = (payload) => (typeof given === "function" ? given(payload) : given);
            const made = payloads.map((payload, index) => make(job, payload, own(payload), [index]));
            const added = [];
            for (const chunk of chunks(made)) {
                for (const { id } of await queue(job.queue).addBulk(chunk))
                    added.push(enqueued(job, id));
            }
            return added;
        }),
        find: each((job) => (id) => {
            checkKnownId(id);
            return enqueued(job, id);
        }),
        enqueueFlow: async (root) => entered(root, await (flows ??= new FlowProducer(adding)).add(root)),
        queue,
        close: async () => {
            const opened = [...listeners.values(), ...queues.values(), ...(flows === undefined ? [] : [flows])];
            listeners.clear();
            queues.clear();
            flows = undefined;
            open.abort();
            open = new AbortController();
            await Promise.all(opened.map(closed));
        },
    };
}
/** BullMQ would wait for ever for a Redis that is away, and with it whoever pressed a button. */
function failingSoon({ connection, ...others }) {
    const isOpen = "duplicate" in connection;
    return {
        ...others,
        connection: isOpen ? connection : { ...CONNECTING, ...withoutUndefined(connection) },
        skipWaitingForReady: true,
        skipVersionCheck: true,
    };
}
/** Close it; one that cannot say goodbye, as Redis is away, is cut off. What it was doing is told to whoever asked for it. */
async function closed(one) {
    const closing = one.close().then(() => true, () => false);
    if (await unlessAborted(closing, AbortSignal.timeout(GOODBYE_MS)))
        return;
    // BullMQ has no way to do so that does not wait for a connection first.
    const connection = Reflect.get(one, "connection");
    connection?._client?.disconnect();
}
function once(known, name, open) {
    const found = known.get(name);
    if (found !== undefined)
        return found;
    const opened = open();
    known.set(name, opened);
    return opened;
}
