// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
/** What BullMQ is given to add a job. */
import type { FlowJob, JobsOptions } from "bullmq";
import type { AnyJob, PayloadOf, UniqueOf } from "./declared.js";
/** BullMQ's options, laid over those that are declared. Times are milliseconds. */
export type EnqueueOptions<J extends AnyJob> = Omit<JobsOptions, "parent" | "repeat"> & (UniqueOf<J> extends "told" ? {
    /** What makes it the same job as another: see `unique` in its Python file. null: nothing, for this once. */
    unique: string | null;
} : {
    unique?: string | null;
});
export type OptionsArgument<J extends AnyJob> = UniqueOf<J> extends "told" ? [options: EnqueueOptions<J>] : [options?: EnqueueOptions<J>];
/** What BullMQ is given. */
export interface Made {
    name: string;
    data: unknown;
    opts: JobsOptions;
}
/** A job of this payload, checked. @throws InvalidPayload; TypeError an option is not allowed. */
export declare function make(job: AnyJob, payload: unknown, options: EnqueueOptions<AnyJob> | undefined, place: PropertyKey[]): Made;
/** A job and those that must finish before it, for `client.enqueueFlow`. @throws InvalidPayload */
export declare function flow<J extends AnyJob>(job: J, payload: PayloadOf<J>, ...rest: UniqueOf<J> extends "told" ? [options: EnqueueOptions<J> & {
    children?: readonly FlowJob[];
}] : [options?: EnqueueOptions<J> & {
    children?: readonly FlowJob[];
}]): FlowJob;
