/** A job that was enqueued: its progress, and how it ends. */
import type { Job, Queue, QueueEvents } from "bullmq";

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
