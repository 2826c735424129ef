// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
/** A job that was enqueued: its progress, and how it ends. */
import type { Job, Queue, QueueEvents } from "bullmq";
import type { AnyJob } from "./declared.js";
/** How far a job is: a number of percent, or any value of JSON. */
export type Progress = unknown;
/** A job failed for good. `message`: why. */
export declare class JobFailed extends Error {
    readonly name = "JobFailed";
}
/** Nothing is kept of a job: it was removed, or never there. */
export declare class JobGone extends Error {
    readonly name = "JobGone";
}
/** A job has not ended within the time for which its result was awaited; it may still. */
export declare class JobUnfinished extends Error {
    readonly name = "JobUnfinished";
}
/** A job that was enqueued. */
export declare class Enqueued<Result> {
    #private;
    /** One that was swallowed has the id of the job that swallowed it. */
    readonly id: string;
    /** `queue` and `events` connect when they are first asked for. `open`: what comes when the client is closed. */
    constructor(id: string, declared: AnyJob, queue: () => Queue, events: () => QueueEvents, open: () => AbortSignal);
    /** As it is now; undefined: nothing is kept of it. @throws TypeError it is a job of another name. */
    job(): Promise<Job<unknown, Result> | undefined>;
    /**
     * Wait for its result. `timeoutMs` holds while Redis cannot be reached, too; more than 24 days are for ever.
     * @throws JobFailed; JobGone; JobUnfinished `timeoutMs` passed, or the client was closed; TypeError it is a job of another name.
     */
    result({ timeoutMs }?: {
        timeoutMs?: number;
    }): Promise<Result>;
    /** What it reports, from its last report on, until it ends or `signal` comes. @throws TypeError as `job`. */
    progress({ signal }?: {
        signal?: AbortSignal | undefined;
    }): AsyncGenerator<Progress, void, void>;
}
/** What a promise gives, or undefined once the signal comes. What becomes of it then is nobody's affair. */
export declare function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value | undefined>;
