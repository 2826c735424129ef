/**
 * Enqueues jobs that a worker in Python works, waits for their results, and works those that Python enqueues.
 * Nothing is connected before the first call, and every payload is checked before it is sent.
 */
import { Queue, QueueEvents, Worker } from "bullmq";
import type { ConnectionOptions, FlowJob, Job, JobNode, JobsOptions, WorkerOptions } from "bullmq";
import type { ZodType } from "zod";
/**
 * What makes two jobs the same, of which one waits and one runs at most: nothing, some fields ("key"), or code of
 * Python's, so that whoever enqueues has to say it ("told").
 */
export type Unique = "no" | "key" | "told";
/** A job as Python declares it. */
export interface DeclaredJob<Payload = unknown, Result = unknown, U extends Unique = Unique> {
    readonly name: string;
    /** Names it had before. */
    readonly formerNames: readonly string[];
    readonly queue: string;
    /** Of the schema of its payload: the version of the contract. */
    readonly schemaHash: string;
    /** Checks a payload, and gives what is sent. */
    readonly payload: ZodType<unknown, Payload>;
    /** BullMQ's options for each job, as Python declares them. */
    readonly options: Readonly<JobsOptions>;
    readonly unique: U;
    /** The key, of jobs that are unique by some fields. */
    readonly key?: (sent: any) => string;
    /** The type of its result; never there. */
    readonly result?: Result;
}
/** A job that TypeScript works and Python enqueues. */
export interface ExternalJob<Payload = unknown, Result = unknown, U extends Unique = Unique> extends DeclaredJob<Payload, Result, U> {
    readonly external: true;
}
type AnyJob = DeclaredJob<any, any, any>;
/** What a job is given. */
export type PayloadOf<J extends AnyJob> = J extends DeclaredJob<infer Payload, any, any> ? Payload : never;
/** What it gives when it completes. */
export type ResultOf<J extends AnyJob> = J extends DeclaredJob<any, infer Result, any> ? Result : never;
type UniqueOf<J extends AnyJob> = J extends DeclaredJob<any, any, infer U> ? U : never;
/** BullMQ's options, laid over those that are declared. Times are milliseconds. */
export type EnqueueOptions<J extends AnyJob> = Omit<JobsOptions, "parent" | "repeat"> & (UniqueOf<J> extends "told" ? {
    /** What makes it the same job as another: see `unique` in its Python file. null: nothing, for this once. */
    unique: string | null;
} : {
    unique?: string | null;
});
type OptionsArgument<J extends AnyJob> = UniqueOf<J> extends "told" ? [options: EnqueueOptions<J>] : [options?: EnqueueOptions<J>];
/** A payload that does not fit. `fields`: a line for each that is wrong, as `sentTo.lines[0]: expected string`. */
export declare class InvalidPayload extends Error {
    readonly name = "InvalidPayload";
    readonly fields: readonly string[];
    constructor(job: string, fields: readonly string[]);
}
/** Check a payload, and give what is to be sent. @throws InvalidPayload */
export declare function check<J extends AnyJob>(job: J, payload: PayloadOf<J>): unknown;
/** A job and those that must finish before it, for `client.enqueueFlow`. @throws InvalidPayload */
export declare function flow<J extends AnyJob>(job: J, payload: PayloadOf<J>, ...rest: UniqueOf<J> extends "told" ? [options: EnqueueOptions<J> & {
    children?: readonly FlowJob[];
}] : [options?: EnqueueOptions<J> & {
    children?: readonly FlowJob[];
}]): FlowJob;
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
type Jobs = Readonly<Record<string, AnyJob>>;
/** Where the queues are. `prefix`: of all keys, BullMQ's "bull" if it is left out. */
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
    /** Enqueue many with one call, all or none. @throws InvalidPayload */
    readonly enqueueMany: {
        readonly [N in keyof J]: (payloads: readonly PayloadOf<J[N]>[], ...options: J[N] extends DeclaredJob<any, any, "told"> ? [options: (payload: PayloadOf<J[N]>) => EnqueueOptions<J[N]>] : [options?: EnqueueOptions<J[N]> | ((payload: PayloadOf<J[N]>) => EnqueueOptions<J[N]>)]) => Promise<Enqueued<ResultOf<J[N]>>[]>;
    };
    /** One that was enqueued before, by its id. */
    readonly find: {
        readonly [N in keyof J]: (id: string) => Enqueued<ResultOf<J[N]>>;
    };
    /** Enqueue a tree that `flow` made, all or none; each runs once its children have finished. */
    enqueueFlow(root: FlowJob): Promise<JobNode>;
    /** BullMQ's queue of that name, for all else. */
    queue(name: string): Queue;
    /** Close every connection that was opened. */
    close(): Promise<void>;
}
/** A client of these jobs: `createClient({ updateCafeStats }, { connection })`. Make one a process and keep it. */
export declare function createClient<J extends Jobs>(jobs: J, options: ClientOptions): Client<J>;
/** How a job is worked in TypeScript. Make one with `handle`. */
export interface Handler {
    readonly job: ExternalJob<any, any, any>;
    readonly run: (payload: any, job: Job) => Promise<unknown>;
}
/** Work `job` with `run`, which is given a payload that was checked; what it gives is the job's result. */
export declare function handle<Payload, Result>(job: ExternalJob<Payload, Result, any>, run: (payload: Payload, job: Job<unknown, Result>) => Promise<Result>): Handler;
/**
 * What BullMQ's `Worker` takes. A payload that does not fit, or a name that no handler has, fails its job once,
 * without retries.
 */
export declare function createProcessor(handlers: readonly Handler[]): (job: Job) => Promise<any>;
/** A worker of the queue that all these handlers share. @throws TypeError they are of several queues, or none. */
export declare function createWorker(handlers: readonly Handler[], options: WorkerOptions): Worker;
export {};
