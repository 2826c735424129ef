/**
 * Enqueues jobs that a worker in Python works, waits for their results, and works those that Python enqueues.
 * Nothing is connected before the first call, and every payload is checked before it is sent.
 */
import { FlowProducer, Queue, QueueEvents } from "bullmq";
import { chunks, make } from "./adding.js";
import { Enqueued } from "./enqueued.js";
import { checkKnownId } from "./ids.js";
export { flow } from "./adding.js";
export { InvalidPayload, check } from "./declared.js";
export { Enqueued, JobFailed, JobGone, JobUnfinished } from "./enqueued.js";
export { createProcessor, createWorker, handle } from "./worker.js";
/** How often, and after how long, one connects anew before what waits to be sent fails. */
const RETRIES = 2;
const RETRY_AFTER_MS = 1_000;
const CONNECTING = { maxRetriesPerRequest: RETRIES, retryStrategy: () => RETRY_AFTER_MS };
/** A client of these jobs: `createClient({ updateCafeStats }, { connection })`. Make one a process and keep it. */
export function createClient(jobs, options) {
    const queues = new Map();
    const listeners = new Map();
    let flows;
    const adding = failingSoon(options);
    const queue = (name) => once(queues, name, () => new Queue(name, adding));
    const events = (name) => once(listeners, name, () => {
        const made = new QueueEvents(name, options);
        // Each job that is followed has its own.
        made.setMaxListeners(0);
        return made;
    });
    // BullMQ gives an id to each job that it takes.
    const enqueued = (job, id) => new Enqueued(id, job, () => queue(job.queue), () => events(job.queue));
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
            await Promise.all(opened.map((one) => one.close()));
        },
    };
}
/**
 * BullMQ would wait for ever for a Redis that is away, and with it whoever pressed a button. Here what is to be sent fails
 * as ioredis has it, after `maxRetriesPerRequest` connections in vain; and between these are no 20 seconds, as BullMQ has it.
 */
function failingSoon({ connection, ...others }) {
    const isOpen = "duplicate" in connection;
    return {
        ...others,
        connection: isOpen ? connection : { ...CONNECTING, ...connection },
        skipWaitingForReady: true,
        skipVersionCheck: true,
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
