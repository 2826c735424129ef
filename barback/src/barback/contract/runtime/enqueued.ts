/** A job that was enqueued: its progress, and how it ends. */
import type { Job, Queue, QueueEvents } from "bullmq";
import type { AnyJob } from "./declared.js";

/** How far a job is: a number of percent, or any value of JSON. */
export type Progress = unknown;

/** A job failed for good. `message`: why. */
export class JobFailed extends Error {
  override readonly name = "JobFailed";
}

/** Nothing is kept of a job: it was removed, or never there. */
export class JobGone extends Error {
  override readonly name = "JobGone";
}

/** A job has not ended within the time for which its result was awaited; it may still. */
export class JobUnfinished extends Error {
  override readonly name = "JobUnfinished";
}

/** What is told of a job: by an event, or by a look at it. */
type Told = { progress: Progress } | { result: unknown } | { failed: string } | { gone: true };

/** How long no event may come before one looks: those are lost that come while a connection is made anew. */
const LOOK_AFTER_MS = 5_000;

/** The longest time that a timer of JavaScript's has: 24 days. */
const LONGEST_MS = 2 ** 31 - 1;

/** A job that was enqueued. */
export class Enqueued<Result> {
  /** One that was swallowed has the id of the job that swallowed it. */
  readonly id: string;
  readonly #declared: AnyJob;
  readonly #queue: () => Queue;
  readonly #events: () => QueueEvents;
  readonly #open: () => AbortSignal;

  /** `queue` and `events` connect when they are first asked for. `open`: what comes when the client is closed. */
  constructor(id: string, declared: AnyJob, queue: () => Queue, events: () => QueueEvents, open: () => AbortSignal) {
    this.id = id;
    this.#declared = declared;
    this.#queue = queue;
    this.#events = events;
    this.#open = open;
  }

  /** As it is now; undefined: nothing is kept of it. @throws TypeError it is a job of another name. */
  async job(): Promise<Job<unknown, Result> | undefined> {
    const job = await this.#queue().getJob(this.id);
    const { name, formerNames, queue } = this.#declared;
    if (job !== undefined && job.name !== name && !formerNames.includes(job.name)) {
      throw new TypeError(`Job ${this.id} of ${queue} is a '${job.name}', no '${name}'.`);
    }
    return job as Job<unknown, Result> | undefined;
  }

  /**
   * Wait for its result. `timeoutMs` holds while Redis cannot be reached, too; more than 24 days are for ever.
   * @throws JobFailed; JobGone; JobUnfinished `timeoutMs` passed, or the client was closed; TypeError it is a job of another name.
   */
  async result({ timeoutMs = Infinity }: { timeoutMs?: number } = {}): Promise<Result> {
    const signal = timeoutMs > LONGEST_MS ? undefined : AbortSignal.timeout(Math.ceil(timeoutMs));
    for await (const told of this.#follow(signal)) {
      if ("result" in told) return told.result as Result;
      if ("failed" in told) throw new JobFailed(told.failed);
      if ("gone" in told) throw new JobGone(`There is no job ${this.id} in ${this.#declared.queue}: nothing is kept of it.`);
    }
    const why = signal?.aborted ? `within ${timeoutMs} ms` : "before the client was closed";
    throw new JobUnfinished(`Job ${this.id} of ${this.#declared.queue} has not ended ${why}.`);
  }

  /** What it reports, from its last report on, until it ends or `signal` comes. @throws TypeError as `job`. */
  async *progress({ signal }: { signal?: AbortSignal | undefined } = {}): AsyncGenerator<Progress, void, void> {
    let last: Told | undefined;
    for await (const told of this.#follow(signal)) {
      if (!("progress" in told)) continue;
      if (signal?.aborted) return;
      // A look and an event may tell of the same report.
      if (!isSame(told, last)) yield told.progress;
      last = told;
    }
  }

  /** All that is told of it until it ends, the client is closed, or `until` comes. */
  async *#follow(until?: AbortSignal): AsyncGenerator<Told, void, void> {
    const signal = AbortSignal.any(until === undefined ? [this.#open()] : [this.#open(), until]);
    const told: Told[] = [];
    let wake = (): void => undefined;
    const events = this.#events();
    const stop = this.#listen(events, (one) => {
      told.push(one);
      wake();
    });
    try {
      await unlessAborted(events.waitUntilReady(), signal);
      while (!signal.aborted) {
        putBefore(told, (await unlessAborted(this.#look(), signal)) ?? []);
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
    const state = await job.getState();
    const now = await this.job();
    // It was retried meanwhile, and may have ended anew.
    if (now !== undefined && now.finishedOn !== job.finishedOn) return this.#look();
    if (state === "completed") told.push({ result: job.returnvalue });
    if (state === "failed") told.push({ failed: job.failedReason });
    return told;
  }

  #listen(events: QueueEvents, tell: (one: Told) => void): () => void {
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

/**
 * Put what a look told before the events that came meanwhile, of which those go that it tells of too. But a job that is
 * gone may have ended before, as an event tells.
 */
function putBefore(events: Told[], looked: readonly Told[]): void {
  const last = looked.at(-1);
  if (last !== undefined && "gone" in last) events.push(last);
  else events.splice(0, events.findLastIndex((one) => isSame(one, last)) + 1, ...looked);
}

function isSame(one: Told, other: Told | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** What a promise gives, or undefined once the signal comes. What becomes of it then is nobody's affair. */
export async function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value | undefined> {
  let stop = (): void => undefined;
  const aborted = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined);
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Wait for so long, until `woken` is, or the signal comes. */
async function quiet(ms: number, signal: AbortSignal, woken: (wake: () => void) => void): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const woke = new Promise<void>((resolve) => {
    woken(resolve);
    timer = setTimeout(resolve, ms);
  });
  await unlessAborted(woke, signal);
  clearTimeout(timer);
}
