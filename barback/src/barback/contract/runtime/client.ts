/**
 * Enqueues jobs that a worker in Python works, waits for their results, and works those that Python enqueues.
 * Nothing is connected before the first call, and every payload is checked before it is sent.
 */
import { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } from "bullmq";
import type { ConnectionOptions, FlowJob, Job, JobNode, JobsOptions, WorkerOptions } from "bullmq";
import type { ZodType, core } from "zod";

/** The option of a job that says which schema its payload was checked by. BullMQ keeps what it does not know. */
const SCHEMA_HASH = "barback:schema";

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
export interface ExternalJob<Payload = unknown, Result = unknown, U extends Unique = Unique>
  extends DeclaredJob<Payload, Result, U> {
  readonly external: true;
}

type AnyJob = DeclaredJob<any, any, any>;

/** What a job is given. */
export type PayloadOf<J extends AnyJob> = J extends DeclaredJob<infer Payload, any, any> ? Payload : never;
/** What it gives when it completes. */
export type ResultOf<J extends AnyJob> = J extends DeclaredJob<any, infer Result, any> ? Result : never;
type UniqueOf<J extends AnyJob> = J extends DeclaredJob<any, any, infer U> ? U : never;

/** BullMQ's options, laid over those that are declared. Times are milliseconds. */
export type EnqueueOptions<J extends AnyJob> = Omit<JobsOptions, "parent" | "repeat"> &
  (UniqueOf<J> extends "told"
    ? {
        /** What makes it the same job as another: see `unique` in its Python file. null: nothing, for this once. */
        unique: string | null;
      }
    : { unique?: string | null });
type OptionsArgument<J extends AnyJob> =
  UniqueOf<J> extends "told" ? [options: EnqueueOptions<J>] : [options?: EnqueueOptions<J>];

/** A payload that does not fit. `fields`: a line for each that is wrong, as `sentTo.lines[0]: expected string`. */
export class InvalidPayload extends Error {
  override readonly name = "InvalidPayload";
  readonly fields: readonly string[];
  constructor(job: string, fields: readonly string[]) {
    super(`Payload of '${job}' does not fit: ${fields.join("; ")}`);
    this.fields = fields;
  }
}

/** Check a payload, and give what is to be sent. @throws InvalidPayload */
export function check<J extends AnyJob>(job: J, payload: PayloadOf<J>): unknown {
  return checked(job, payload, []);
}

function checked(job: AnyJob, payload: unknown, place: readonly PropertyKey[]): unknown {
  const found = job.payload.safeParse(payload);
  if (found.success) return found.data;
  throw new InvalidPayload(job.name, found.error.issues.map((issue) => line(place, issue)));
}

function line(place: readonly PropertyKey[], issue: core.$ZodIssue): string {
  const path = [...place, ...issue.path];
  // Of a union: why the form did not fit that went furthest.
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const [furthest] = issue.errors.flatMap((form) => form).sort((one, other) => depth(other) - depth(one));
    if (furthest !== undefined && furthest.path.length > 0) return line(path, furthest);
    return said(path, [...new Set(issue.errors.flatMap((form) => form.map((it) => it.message)))].join(", or: "));
  }
  return said(path, issue.message);
}

function depth(issue: core.$ZodIssue): number {
  return issue.path.length;
}

function said(path: readonly PropertyKey[], message: string): string {
  const text = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  return text === "" ? message : `${text.replace(/^\./, "")}: ${message}`;
}

interface Made {
  name: string;
  data: unknown;
  opts: JobsOptions;
}

function make(job: AnyJob, payload: unknown, options: EnqueueOptions<AnyJob> | undefined, place: PropertyKey[]): Made {
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

/** How far a job is: a number of percent, or any value of JSON. */
export type Progress = unknown;

/** A job failed for good. `message`: why. */
export class JobFailed extends Error {
  override readonly name = "JobFailed";
}

/** What is told of a job: by an event, or by a look at it. */
type Told = { progress: Progress } | { result: unknown } | { failed: string } | { gone: true };

/** How long no event may come before one looks: those are lost that come while a connection is made anew. */
const LOOK_AFTER_MS = 5_000;

/** A job that was enqueued. */
export class Enqueued<Result> {
  /** One that was swallowed has the id of the job that swallowed it. */
  readonly id: string;
  readonly #queue: Queue;
  readonly #events: () => Promise<QueueEvents>;

  constructor(id: string, queue: Queue, events: () => Promise<QueueEvents>) {
    this.id = id;
    this.#queue = queue;
    this.#events = events;
  }

  /** As it is now; undefined: nothing is kept of it. */
  job(): Promise<Job<unknown, Result> | undefined> {
    return this.#queue.getJob(this.id) as Promise<Job<unknown, Result> | undefined>;
  }

  /** Wait for its result. @throws JobFailed; Error nothing is kept of it, or `timeoutMs` passed. */
  async result({ timeoutMs }: { timeoutMs?: number } = {}): Promise<Result> {
    const signal = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    for await (const told of this.#follow(signal)) {
      if ("result" in told) return told.result as Result;
      if ("failed" in told) throw new JobFailed(told.failed);
      if ("gone" in told) throw new Error(`There is no job ${this.id} in ${this.#queue.name}: nothing is kept of it.`);
    }
    throw new Error(`Job ${this.id} of ${this.#queue.name} has not ended within ${timeoutMs} ms.`);
  }

  /** What it reports, from its last report on, until it ends. */
  async *progress({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<Progress, void, void> {
    let last: string | undefined;
    for await (const told of this.#follow(signal)) {
      if (!("progress" in told)) continue;
      const text = JSON.stringify(told.progress);
      // A look and an event may tell of the same report.
      if (text !== last) yield told.progress;
      last = text;
    }
  }

  /** All that is told of it until it ends. */
  async *#follow(signal?: AbortSignal): AsyncGenerator<Told, void, void> {
    const told: Told[] = [];
    let wake = (): void => undefined;
    const stop = await this.#listen((one) => {
      told.push(one);
      wake();
    });
    try {
      while (!signal?.aborted) {
        told.length = 0;
        told.push(...(await this.#look()));
        do {
          for (let one = told.shift(); one !== undefined; one = told.shift()) {
            yield one;
            if (!("progress" in one)) return;
          }
          await quiet(LOOK_AFTER_MS, signal, (resolve) => (wake = resolve));
        } while (told.length > 0);
      }
    } finally {
      stop();
    }
  }

  /** As it is now: its last report, and how it ended. */
  async #look(): Promise<Told[]> {
    const job = await this.job();
    if (job === undefined) return [{ gone: true }];
    // 0 is what BullMQ stores before the first report.
    const told: Told[] = job.progress === 0 ? [] : [{ progress: job.progress }];
    if (job.finishedOn === undefined) return told;
    const failed = (await job.getState()) === "failed";
    return [...told, failed ? { failed: job.failedReason } : { result: job.returnvalue }];
  }

  async #listen(tell: (one: Told) => void): Promise<() => void> {
    const events = await this.#events();
    const mine = (make: (args: any) => Told) => (args: { jobId: string }) => {
      if (args.jobId === this.id) tell(make(args));
    };
    const listeners = {
      progress: mine(({ data }) => ({ progress: data })),
      completed: mine(({ returnvalue }) => ({ result: returnvalue })),
      failed: mine(({ failedReason }) => ({ failed: failedReason })),
      removed: mine(() => ({ gone: true })),
    };
    const names = Object.keys(listeners) as (keyof typeof listeners)[];
    for (const name of names) events.on(name, listeners[name]);
    return () => {
      for (const name of names) events.off(name, listeners[name]);
    };
  }
}

/** Wait for so long, until `woken` is, or the signal comes. */
async function quiet(ms: number, signal: AbortSignal | undefined, woken: (wake: () => void) => void): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let wake = (): void => undefined;
  try {
    await new Promise<void>((resolve) => {
      wake = resolve;
      woken(resolve);
      timer = setTimeout(resolve, ms);
      signal?.addEventListener("abort", wake);
      if (signal?.aborted) resolve();
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", wake);
  }
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
    readonly [N in keyof J]: (
      payload: PayloadOf<J[N]>,
      ...options: OptionsArgument<J[N]>
    ) => Promise<Enqueued<ResultOf<J[N]>>>;
  };
  /** Enqueue many with one call, all or none. @throws InvalidPayload */
  readonly enqueueMany: {
    readonly [N in keyof J]: (
      payloads: readonly PayloadOf<J[N]>[],
      ...options: J[N] extends DeclaredJob<any, any, "told">
        ? [options: (payload: PayloadOf<J[N]>) => EnqueueOptions<J[N]>]
        : [options?: EnqueueOptions<J[N]> | ((payload: PayloadOf<J[N]>) => EnqueueOptions<J[N]>)]
    ) => Promise<Enqueued<ResultOf<J[N]>>[]>;
  };
  /** One that was enqueued before, by its id. */
  readonly find: { readonly [N in keyof J]: (id: string) => Enqueued<ResultOf<J[N]>> };
  /** Enqueue a tree that `flow` made, all or none; each runs once its children have finished. */
  enqueueFlow(root: FlowJob): Promise<JobNode>;
  /** BullMQ's queue of that name, for all else. */
  queue(name: string): Queue;
  /** Close every connection that was opened. */
  close(): Promise<void>;
}

/** A client of these jobs: `createClient({ updateCafeStats }, { connection })`. Make one a process and keep it. */
export function createClient<J extends Jobs>(jobs: J, options: ClientOptions): Client<J> {
  const queues = new Map<string, Queue>();
  const listeners = new Map<string, QueueEvents>();
  let flows: FlowProducer | undefined;

  const queue = (name: string): Queue => once(queues, name, () => new Queue(name, options));
  const events = async (name: string): Promise<QueueEvents> => {
    const listener = once(listeners, name, () => {
      const made = new QueueEvents(name, options);
      // Each job that is followed has its own.
      made.setMaxListeners(0);
      return made;
    });
    await listener.waitUntilReady();
    return listener;
  };
  const enqueued = (name: string, id: string | undefined): Enqueued<any> =>
    new Enqueued(id ?? "", queue(name), () => events(name));

  const each = <F>(of: (job: AnyJob) => F): any =>
    Object.fromEntries(Object.entries(jobs).map(([name, job]) => [name, of(job)]));
  return {
    enqueue: each((job) => async (payload: unknown, given?: EnqueueOptions<AnyJob>) => {
      const { name, data, opts } = make(job, payload, given, []);
      return enqueued(job.queue, (await queue(job.queue).add(name, data, opts)).id);
    }),
    enqueueMany: each((job) => async (payloads: readonly unknown[], given?: any) => {
      const own = (payload: unknown) => (typeof given === "function" ? given(payload) : given);
      const made = payloads.map((payload, index) => make(job, payload, own(payload), [index]));
      return (await queue(job.queue).addBulk(made)).map((added) => enqueued(job.queue, added.id));
    }),
    find: each((job) => (id: string) => enqueued(job.queue, id)),
    enqueueFlow: (root) => (flows ??= new FlowProducer(options)).add(root),
    queue,
    close: async () => {
      const opened = [...listeners.values(), ...queues.values(), ...(flows === undefined ? [] : [flows])];
      listeners.clear();
      queues.clear();
      flows = undefined;
      await Promise.all(opened.map((one) => one.close()));
    },
  };
}

function once<Value>(known: Map<string, Value>, name: string, open: () => Value): Value {
  const found = known.get(name);
  if (found !== undefined) return found;
  const opened = open();
  known.set(name, opened);
  return opened;
}

/** How a job is worked in TypeScript. Make one with `handle`. */
export interface Handler {
  readonly job: ExternalJob<any, any, any>;
  readonly run: (payload: any, job: Job) => Promise<unknown>;
}

/** Work `job` with `run`, which is given a payload that was checked; what it gives is the job's result. */
export function handle<Payload, Result>(
  job: ExternalJob<Payload, Result, any>,
  run: (payload: Payload, job: Job<unknown, Result>) => Promise<Result>,
): Handler {
  return { job, run };
}

/**
 * What BullMQ's `Worker` takes. A payload that does not fit, or a name that no handler has, fails its job once,
 * without retries.
 */
export function createProcessor(handlers: readonly Handler[]): (job: Job) => Promise<any> {
  const known = new Map(handlers.flatMap((one) => [one.job.name, ...one.job.formerNames].map((name) => [name, one])));
  return async (job) => {
    const handler = known.get(job.name);
    if (handler === undefined) {
      throw new UnrecoverableError(`No job named '${job.name}' is handled here. Known: ${[...known.keys()].join(", ")}.`);
    }
    return handler.run(fitting(handler.job, job.data), job);
  };
}

function fitting(job: AnyJob, data: unknown): unknown {
  try {
    return checked(job, data, []);
  } catch (error) {
    if (!(error instanceof InvalidPayload)) throw error;
    throw new UnrecoverableError(`${error.message} (this worker knows schema ${job.schemaHash})`);
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
