/** A job that was enqueued: its progress, and how it ends. */
import type { Job, Queue, QueueEvents } from "bullmq";
/** How far a job is: a number of percent, or any value of JSON. */
export type Progress = unknown;
/** A job failed for good. `message`: why. */
export declare class JobFailed extends Error {
    readonly name = "JobFailed";
}
/** A job that was enqueued. */
export declare class Enqueued<Result> {
    #private;
    /** One that was swallowed has the id of the job that swallowed it. */
    readonly id: string;
    constructor(id: string, queue: Queue, events: () => Promise<QueueEvents>);
    /** As it is now; undefined: nothing is kept of it. */
    job(): Promise<Job<unknown, Result> | undefined>;
    /** Wait for its result. @throws JobFailed; Error nothing is kept of it, or `timeoutMs` passed. */
    result({ timeoutMs }?: {
        timeoutMs?: number;
    }): Promise<Result>;
    /** What it reports, from its last report on, until it ends. */
    progress({ signal }?: {
        signal?: AbortSignal;
    }): AsyncGenerator<Progress, void, void>;
}
