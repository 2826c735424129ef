/**
 * Enqueues jobs that a worker in Python works, waits for their results, and works those that Python enqueues.
 * Nothing is connected before the first call, and every payload is checked before it is sent.
 */
import { Queue } from "bullmq";
import type { ConnectionOptions } from "bullmq";
import type { EnqueueOptions, Flow, OptionsArgument } from "./adding.js";
import type { AnyJob, DeclaredJob, PayloadOf, ResultOf } from "./declared.js";
import { Enqueued } from "./enqueued.js";
export { flow } from "./adding.js";
export type { EnqueueOptions, Flow } from "./adding.js";
export { InvalidPayload, check } from "./declared.js";
export type { DeclaredJob, ExternalJob, PayloadOf, ResultOf, Sent, Unique } from "./declared.js";
export { Enqueued, JobFailed, JobGone, JobUnfinished } from "./enqueued.js";
export type { Progress } from "./enqueued.js";
export { createProcessor, createWorker, handle } from "./worker.js";
export type { Handler } from "./worker.js";
type Jobs = Readonly<Record<string, AnyJob>>;
/**
 * Where the queues are. While Redis is away enqueueing fails after three seconds, and ten at most, or as `connection` says
 * by ioredis's `maxRetriesPerRequest`, `retryStrategy` and `commandTimeout`. `prefix`: of all keys, BullMQ's "bull" if it
 * is left out.
 */
export interface ClientOptions {
    connection: ConnectionOptions;
    prefix?: string;
}
/** Some jobs, by the names under which they were given to `createClient`. */
export interface Client<J extends Jobs> {
    /** Enqueue one. @throws InvalidPayload */
    readonly enqueue: {
        readonly [N in keyof J]: (payload: PayloadOf<J[N]>, ...options: OptionsArgument<J[N]>) => Promise<Enqueued<ResultOf<J[N]>>>;
    };
    /**
     * Enqueue many, in order, up to a thousand at a time (4 MiB of payloads). All are checked before the first is sent.
     * What BullMQ or Redis refuses then leaves others of them enqueued. @throws InvalidPayload
     */
    readonly enqueueMany: {
        readonly [N in keyof J]: (payloads: readonly PayloadOf<J[N]>[], ...options: J[N] extends DeclaredJob<any, any, "told"> ? [options: (payload: PayloadOf<J[N]>) => EnqueueOptions<J[N]>] : [options?: EnqueueOptions<J[N]> | ((payload: PayloadOf<J[N]>) => EnqueueOptions<J[N]>)]) => Promise<Enqueued<ResultOf<J[N]>>[]>;
    };
    /** One that was enqueued before, by its id. @throws TypeError no job can have such an id. */
    readonly find: {
        readonly [N in keyof J]: (id: string) => Enqueued<ResultOf<J[N]>>;
    };
    /** Enqueue a tree that `flow` made, in one transaction; each runs once its children have finished. */
    enqueueFlow<J extends AnyJob>(root: Flow<J>): Promise<EnqueuedFlow<ResultOf<J>>>;
    /** BullMQ's queue of that name, for all else. */
    queue(name: string): Queue;
    /** Close every connection that was opened, whether Redis can be reached or not; what is being followed ends. */
    close(): Promise<void>;
}
/** A flow that was enqueued: its job, and those that must finish before it, in the order given. */
export interface EnqueuedFlow<Result = unknown> {
    readonly job: Enqueued<Result>;
    readonly children: readonly EnqueuedFlow[];
}
/** A client of these jobs: `createClient({ updateCafeStats }, { connection })`. Make one a process and keep it. */
export declare function createClient<J extends Jobs>(jobs: J, options: ClientOptions): Client<J>;
