/** What BullMQ is given to add a job. */
import type { Job, JobsOptions } from "bullmq";
import type { AnyJob, PayloadOf, UniqueOf } from "./declared.js";
/** BullMQ's options, laid over those that are declared. Times are milliseconds. */
export type EnqueueOptions<J extends AnyJob> = Omit<JobsOptions, "parent" | "repeat"> & (UniqueOf<J> extends "told" ? {
    /** What makes it the same job as another: see `unique` in its Python file. null: nothing, for this once. */
    unique: string | null;
} : {
    /** What makes it the same job as another, instead of what Python declares. null: nothing, for this once. */
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
/** Which schema the payload of a job was checked by, if it says. */
export declare function schemaHashOf(job: Job): string | undefined;
/** BullMQ takes an option that is given as undefined for one that is not declared either. */
export declare function withoutUndefined<Options extends object>(options: Options): Options;
/** In the order given, so many as are sent at a time. */
export declare function chunks(made: readonly Made[]): Made[][];
/** A job and those that must finish before it. Make one with `flow`. */
export interface Flow<J extends AnyJob = AnyJob> extends Made {
    readonly job: J;
    readonly queueName: string;
    children: Flow[];
}
type FlowOptions<J extends AnyJob> = EnqueueOptions<J> & {
    children?: readonly Flow[];
};
/** A job and those that must finish before it, for `client.enqueueFlow`. @throws InvalidPayload; TypeError */
export declare function flow<J extends AnyJob>(job: J, payload: PayloadOf<J>, ...[given]: UniqueOf<J> extends "told" ? [options: FlowOptions<J>] : [options?: FlowOptions<J>]): Flow<J>;
export {};
