/**
 * Enqueues jobs that a worker in Python works, waits for their results, and works those that Python enqueues.
 * Nothing is connected before the first call, and every payload is checked before it is sent.
 */
import { FlowProducer, Queue, QueueEvents } from "bullmq";
import type { ConnectionOptions, FlowJob, JobNode, QueueOptions } from "bullmq";
import { chunks, make, withoutUndefined } from "./adding.js";
import type { EnqueueOptions, Flow, OptionsArgument } from "./adding.js";
import type { AnyJob, DeclaredJob, PayloadOf, ResultOf } from "./declared.js";
import { Enqueued, unlessAborted } from "./enqueued.js";
import { checkKnownId } from "./ids.js";

export { flow } from "./adding.js";
export type { EnqueueOptions, Flow } from "./adding.js";
export { InvalidPayload, check } from "./declared.js";
export type { DeclaredJob, ExternalJob, PayloadOf, ResultOf, Sent, Unique } from "./declared.js";
export { Enqueued, JobFailed, JobGone, JobUnfinished } from "./enqueued.js";
export type { Progress } from "./enqueued.js";
export { createProcessor, createWorker, handle } from "./worker.js";
export type { Handler } from "./worker.js";

/**
 * How one connects who enqueues, unless `connection` says otherwise: what waits to be sent fails with the third connection
 * in vain, which is after two seconds. What was on its way as Redis went, or is with one that stands still, has ten.
 */
const CONNECTING = { maxRetriesPerRequest: 2, retryStrategy: () => 1_000, commandTimeout: 10_000 };

/** How long a connection may take to be closed. */
const GOODBYE_MS = 1_000;

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
    readonly [N in keyof J]: (
      payload: PayloadOf<J[N]>,
      ...options: OptionsArgument<J[N]>
    ) => Promise<Enqueued<ResultOf<J[N]>>>;
  };
  /**
   * Enqueue many, in order, up to a thousand at a time (4 MiB of payloads). All are checked before the first is sent.
   * What BullMQ or Redis refuses then leaves others of them enqueued. @throws InvalidPayload
   */
  readonly enqueueMany: {
    readonly [N in keyof J]: (
      payloads: readonly PayloadOf<J[N]>[],
      ...options: J[N] extends DeclaredJob<any, any, "told">
        ? [options: (payload: PayloadOf<J[N]>) => EnqueueOptions<J[N]>]
        : [options?: EnqueueOptions<J[N]> | ((payload: PayloadOf<J[N]>) => EnqueueOptions<J[N]>)]
    ) => Promise<Enqueued<ResultOf<J[N]>>[]>;
  };
  /** One that was enqueued before, by its id. @throws TypeError no job can have such an id. */
  readonly find: { readonly [N in keyof J]: (id: string) => Enqueued<ResultOf<J[N]>> };
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
export function createClient<J extends Jobs>(jobs: J, options: ClientOptions): Client<J> {
  const queues = new Map<string, Queue>();
  const listeners = new Map<string, QueueEvents>();
  let flows: FlowProducer | undefined;
  let open = new AbortController();

  const adding = failingSoon(options);
  const queue = (name: string): Queue => once(queues, name, () => new Queue(name, adding));
  const events = (name: string): QueueEvents =>
    once(listeners, name, () => {
      const made = new QueueEvents(name, options);
      // Each job that is followed has its own.
      made.setMaxListeners(0);
      return made;
    });
  // BullMQ gives an id to each job that it takes.
  const enqueued = (job: AnyJob, id: string | undefined): Enqueued<any> =>
    new Enqueued(id!, job, () => queue(job.queue), () => events(job.queue), () => open.signal);
  const entered = (flow: Flow, node: JobNode): EnqueuedFlow<any> => ({
    job: enqueued(flow.job, node.job.id),
    children: flow.children.map((child, index) => entered(child, node.children![index]!)),
  });

  const each = <F>(of: (job: AnyJob) => F): any =>
    Object.fromEntries(Object.entries(jobs).map(([name, job]) => [name, of(job)]));
  return {
    enqueue: each((job) => async (payload: unknown, given?: EnqueueOptions<AnyJob>) => {
      const { name, data, opts } = make(job, payload, given, []);
      return enqueued(job, (await queue(job.queue).add(name, data, opts)).id);
    }),
    enqueueMany: each((job) => async (payloads: readonly unknown[], given?: any) => {
      const own = (payload: unknown) => (typeof given === "function" ? given(payload) : given);
      const made = payloads.map((payload, index) => make(job, payload, own(payload), [index]));
      const added: Enqueued<any>[] = [];
      for (const chunk of chunks(made)) {
        for (const { id } of await queue(job.queue).addBulk(chunk)) added.push(enqueued(job, id));
      }
      return added;
    }),
    find: each((job) => (id: string) => {
      checkKnownId(id);
      return enqueued(job, id);
    }),
    enqueueFlow: async (root) => entered(root, await (flows ??= new FlowProducer(adding)).add(root as FlowJob)),
    queue,
    close: async () => {
      const opened = [...listeners.values(), ...queues.values(), ...(flows === undefined ? [] : [flows])];
      listeners.clear();
      queues.clear();
      flows = undefined;
      open.abort();
      open = new AbortController();
      await Promise.all(opened.map(closed));
    },
  };
}

/** BullMQ would wait for ever for a Redis that is away, and with it whoever pressed a button. */
function failingSoon({ connection, ...others }: ClientOptions): QueueOptions {
  const isOpen = "duplicate" in connection;
  return {
    ...others,
    connection: isOpen ? connection : { ...CONNECTING, ...withoutUndefined(connection) },
    skipWaitingForReady: true,
    skipVersionCheck: true,
  };
}

/** Close it; one that cannot say goodbye, as Redis is away, is cut off. What it was doing is told to whoever asked for it. */
async function closed(one: Queue | QueueEvents | FlowProducer): Promise<void> {
  const closing = one.close().then(() => true, () => false);
  if (await unlessAborted(closing, AbortSignal.timeout(GOODBYE_MS))) return;
  // BullMQ has no way to do so that does not wait for a connection first.
  const connection: { _client?: { disconnect(): void } } | undefined = Reflect.get(one, "connection");
  connection?._client?.disconnect();
}

function once<Value>(known: Map<string, Value>, name: string, open: () => Value): Value {
  const found = known.get(name);
  if (found !== undefined) return found;
  const opened = open();
  known.set(name, opened);
  return opened;
}
