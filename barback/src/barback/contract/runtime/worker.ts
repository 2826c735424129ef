/** Works jobs that Python enqueues. */
import { UnrecoverableError, Worker } from "bullmq";
import type { Job, Processor, WorkerOptions } from "bullmq";
import { schemaHashOf } from "./adding.js";
import { InvalidPayload, checked } from "./declared.js";
import type { AnyJob, ExternalJob } from "./declared.js";

/** How a job is worked in TypeScript. Make one with `handle`. */
export interface Handler {
  readonly job: ExternalJob<any, any, any>;
  readonly run: (payload: any, ...given: Parameters<Processor>) => Promise<unknown>;
}

/**
 * Work `job` with `run`, which is given a payload that was checked; what it gives is the job's result. `token`: of the
 * job's lock; `signal`: comes when the worker cancels the job (`worker.cancelJob`). BullMQ's worker gives both.
 */
export function handle<Payload, Result>(
  job: ExternalJob<Payload, Result, any>,
  run: (payload: Payload, job: Job<unknown, Result>, token?: string, signal?: AbortSignal) => Promise<Result>,
): Handler {
  return { job, run };
}

/**
 * What BullMQ's `Worker` takes. A payload that does not fit, or a name that no handler has, fails its job once,
 * without retries.
 */
export function createProcessor(handlers: readonly Handler[]): Processor {
  const known = new Map(handlers.flatMap((one) => [one.job.name, ...one.job.formerNames].map((name) => [name, one])));
  // BullMQ makes a signal only for a function of three arguments.
  return async (job, token, signal) => {
    const handler = known.get(job.name);
    if (handler === undefined) {
      throw new UnrecoverableError(`No job named '${job.name}' is handled here. Known: ${[...known.keys()].join(", ")}.`);
    }
    return handler.run(fitting(handler.job, job), job, token, signal);
  };
}

function fitting(declared: AnyJob, job: Job): unknown {
  try {
    return checked(declared, job.data, []);
  } catch (error) {
    if (!(error instanceof InvalidPayload)) throw error;
    const theirs = schemaHashOf(job) ?? "that it does not name";
    throw new UnrecoverableError(
      `${error.message}. Who enqueued it has a schema ${theirs} of this payload, this worker ${declared.schemaHash}.`,
    );
  }
}

/** A worker of the queue that all these handlers share. @throws TypeError they are of several queues, or none. */
export function createWorker(handlers: readonly Handler[], options: WorkerOptions): Worker {
  const [queue, ...others] = new Set(handlers.map(({ job }) => job.queue));
  if (queue === undefined || others.length > 0) {
    throw new TypeError(`A worker has one queue; these handlers have ${[queue, ...others].join(", ") || "none"}.`);
  }
  return new Worker(queue, createProcessor(handlers), options);
}
