// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
/** A job as Python declares it, and the check of its payload. */
import type { JobsOptions } from "bullmq";
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
    readonly payload: ZodType<Sent<Payload>, Payload>;
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
export type AnyJob = DeclaredJob<any, any, any>;
/** What a job is given. */
export type PayloadOf<J extends AnyJob> = J extends DeclaredJob<infer Payload, any, any> ? Payload : never;
/** What is sent of a payload: the same, but that moments are texts. */
export type Sent<Payload> = Payload extends Date ? string : Payload extends object ? {
    [Field in keyof Payload]: Sent<Payload[Field]>;
} : Payload;
/** What it gives when it completes. */
export type ResultOf<J extends AnyJob> = J extends DeclaredJob<any, infer Result, any> ? Result : never;
export type UniqueOf<J extends AnyJob> = J extends DeclaredJob<any, any, infer U> ? U : never;
/** A payload that does not fit. `fields`: a line for each that is wrong, as `sentTo.lines[0]: expected string`. */
export declare class InvalidPayload extends Error {
    readonly name = "InvalidPayload";
    readonly fields: readonly string[];
    constructor(job: string, fields: readonly string[]);
}
/** Check a payload, and give what is to be sent. @throws InvalidPayload */
export declare function check<J extends AnyJob>(job: J, payload: PayloadOf<J>): Sent<PayloadOf<J>>;
/** As `check`, of the payload that stands at `place` in what the caller gave. @throws InvalidPayload */
export declare function checked(job: AnyJob, payload: unknown, place: readonly PropertyKey[]): unknown;
