// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
/** Works jobs that Python enqueues. */
import { Worker } from "bullmq";
import type { Job, Processor, WorkerOptions } from "bullmq";
import type { ExternalJob } from "./declared.js";
/** How a job is worked in TypeScript. Make one with `handle`. */
export interface Handler {
    readonly job: ExternalJob<any, any, any>;
    readonly run: (payload: any, ...given: Parameters<Processor>) => Promise<unknown>;
}
/**
 * Work `job` with `run`, which is given a payload that was checked; what it gives is the job's result. `token`: of the
 * job's lock; `signal`: comes when the worker cancels the job (`worker.cancelJob`). BullMQ's worker gives both.
 */
export declare function handle<Payload, Result>(job: ExternalJob<Payload, Result, any>, run: (payload: Payload, job: Job<unknown, Result>, token?: string, signal?: AbortSignal) => Promise<Result>): Handler;
/**
 * What BullMQ's `Worker` takes. A payload that does not fit, or a name that no handler has, fails its job once,
 * without retries.
 */
export declare function createProcessor(handlers: readonly Handler[]): Processor;
/** A worker of the queue that all these handlers share. @throws TypeError they are of several queues, or none. */
export declare function createWorker(handlers: readonly Handler[], options: WorkerOptions): Worker;
