// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
/** A job failed for good. `message`: why. */
export class JobFailed extends Error {
    name = "JobFailed";
}
/** How long no event may come before one looks: those are lost that come while a connection is made anew. */
const LOOK_AFTER_MS = 5_000;
/** A job that was enqueued. */
export class Enqueued {
    /** One that was swallowed has the id of the job that swallowed it. */
    id;
    #queue;
    #events;
    constructor(id, queue, events) {
        this.id = id;
        this.#queue = queue;
        this.#events = events;
    }
    /** As it is now; undefined: nothing is kept of it. */
    job() {
        return this.#queue.getJob(this.id);
    }
    /** Wait for its result. @throws JobFailed; Error nothing is kept of it, or `timeoutMs` passed. */
    async result({ timeoutMs } = {}) {
        const signal = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
        for await (const told of this.#follow(signal)) {
            if ("result" in told)
                return told.result;
            if ("failed" in told)
                throw new JobFailed(told.failed);
            if ("gone" in told)
                throw new Error(`There is no job ${this.id} in ${this.#queue.name}: nothing is kept of it.`);
        }
        throw new Error(`Job ${this.id} of ${this.#queue.name} has not ended within ${timeoutMs} ms.`);
    }
    /** What it reports, from its last report on, until it ends. */
    async *progress({ signal } = {}) {
        let last;
        for await (const told of this.#follow(signal)) {
            if (!("progress" in told))
                continue;
            const text = JSON.stringify(told.progress);
            // A look and an event may tell of the same report.
            if (text !== last)
                yield told.progress;
            last = text;
        }
    }
    /** All that is told of it until it ends. */
    async *#follow(signal) {
        const told = [];
        let wake = () => undefined;
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
                        if (!("progress" in one))
                            return;
                    }
                    await quiet(LOOK_AFTER_MS, signal, (resolve) => (wake = resolve));
                } while (told.length > 0);
            }
        }
        finally {
            stop();
        }
    }
    /** As it is now: its last report, and how it ended. */
    async #look() {
        const job = await this.job();
        if (job === undefined)
            return [{ gone: true }];
        // 0 is what BullMQ stores before the first report.
        const told = job.progress === 0 ? [] : [{ progress: job.progress }];
        if (job.finishedOn === undefined)
            return told;
        const failed = (await job.getState()) === "failed";
        return [...told, failed ? { failed: job.failedReason } : { result: job.returnvalue }];
    }
    async #listen(tell) {
        const events = await this.#events();
        const mine = (make) => (args) => {
            if (args.jobId === this.id)
                tell(make(args));
        };
        const listeners = {
            progress: mine(({ data }) => ({ progress: data })),
            completed: mine(({ returnvalue }) => ({ result: returnvalue })),
            failed: mine(({ failedReason }) => ({ failed: failedReason })),
            removed: mine(() => ({ gone: true })),
        };
        const names = Object.keys(listeners);
        for (const name of names)
            events.on(name, listeners[name]);
        return () => {
            for (const name of names)
                events.off(name, listeners[name]);
        };
    }
}
/** Wait for so long, until `woken` is, or the signal comes. */
async function quiet(ms, signal, woken) {
    let timer;
    let wake = () => undefined;
    try {
        await new Promise((resolve) => {
            wake = resolve;
            woken(resolve);
            timer = setTimeout(resolve, ms);
            signal?.addEventListener("abort", wake);
            if (signal?.aborted)
                resolve();
        });
    }
    finally {
        clearTimeout(timer);
        signal?.removeEventListener("abort", wake);
    }
}
