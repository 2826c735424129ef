/** What BullMQ is given to add a job. */
import type { FlowJob, JobsOptions } from "bullmq";
import { checked } from "./declared.js";
import type { AnyJob, PayloadOf, UniqueOf } from "./declared.js";

/** The option of a job that says which schema its payload was checked by. BullMQ keeps what it does not know. */
const SCHEMA_HASH = "barback:schema";

/** BullMQ's options, laid over those that are declared. Times are milliseconds. */
export type EnqueueOptions<J extends AnyJob> = Omit<JobsOptions, "parent" | "repeat"> &
  (UniqueOf<J> extends "told"
    ? {
        /** What makes it the same job as another: see `unique` in its Python file. null: nothing, for this once. */
        unique: string | null;
      }
    : { unique?: string | null });
export type OptionsArgument<J extends AnyJob> =
  UniqueOf<J> extends "told" ? [options: EnqueueOptions<J>] : [options?: EnqueueOptions<J>];

/** What BullMQ is given. */
export interface Made {
  name: string;
  data: unknown;
  opts: JobsOptions;
}

/** A job of this payload, checked. @throws InvalidPayload; TypeError an option is not allowed. */
export function make(job: AnyJob, payload: unknown, options: EnqueueOptions<AnyJob> | undefined, place: PropertyKey[]): Made {
  const data = checked(job, payload, place);
  const { unique, ...given } = options ?? {};
  const opts: JobsOptions = { ...job.options, ...given };
  const key = unique === undefined ? job.key?.(data) : unique;
  if (key != null && opts.deduplication === undefined) {
    opts.deduplication = { id: `${job.name}:${key}`, keepLastIfActive: true };
  }
  const rule = opts.deduplication;
  // What is not delayed cannot be replaced.
  if (rule !== undefined && "replace" in rule && rule.replace && rule.ttl && !opts.delay) opts.delay = rule.ttl;
  if (rule !== undefined && "keepLastIfActive" in rule && rule.keepLastIfActive && opts.jobId !== undefined) {
    throw new TypeError(`'${job.name}' is unique (keeps the last one); such a job cannot have a jobId too.`);
  }
  return { name: job.name, data, opts: Object.assign(opts, { [SCHEMA_HASH]: job.schemaHash }) };
}

/** A job and those that must finish before it, for `client.enqueueFlow`. @throws InvalidPayload */
export function flow<J extends AnyJob>(
  job: J,
  payload: PayloadOf<J>,
  ...rest: UniqueOf<J> extends "told"
    ? [options: EnqueueOptions<J> & { children?: readonly FlowJob[] }]
    : [options?: EnqueueOptions<J> & { children?: readonly FlowJob[] }]
): FlowJob {
  const { children, ...options } = (rest[0] ?? {}) as EnqueueOptions<AnyJob> & { children?: readonly FlowJob[] };
  const made = { ...make(job, payload, options as EnqueueOptions<AnyJob>, []), queueName: job.queue };
  return (children === undefined ? made : { ...made, children: [...children] }) as FlowJob;
}
