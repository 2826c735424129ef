// The side of TypeScript's: one process with the generated client over BullMQ 6 and 5, told what to do in JSON lines as
// `driver.cjs` is. Arguments: the connection as JSON, then the folder of the client for each version as JSON.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import readline from 'node:readline';
import { setTimeout } from 'node:timers/promises';

const connection = JSON.parse(process.argv[2]);
const folders = JSON.parse(process.argv[3]);
const opened = new Map();
const warnings = [];

console.log = console.info = console.error;
process.on('warning', ({ name }) => warnings.push(name));

// Everything that a version has open, under one prefix; `port`: of another server than usual.
async function side(version, prefix, port) {
  const key = `${version} ${prefix} ${port}`;
  if (!opened.has(key)) {
    const library = await import(`${folders[version]}/index.js`);
    const jobs = await import(`${folders[version]}/jobs.js`);
    const client = library.createClient(jobs, { connection: port ? { ...connection, port } : connection, prefix });
    const listeners = listenersOf(await import(`${folders[version]}/bullmq.js`), prefix);
    opened.set(key, { library, jobs, client, listeners, workers: [], followed: new Map() });
  }
  return opened.get(key);
}

// The QueueEvents that a client opens from now on.
function listenersOf({ QueueEvents }, prefix) {
  const made = [];
  const { run } = QueueEvents.prototype;
  QueueEvents.prototype.run = function () {
    if (this.opts.prefix === prefix) made.push(this);
    return run.call(this);
  };
  return made;
}

// Let things happen before and after the client reads a job, and before it has what it read.
function whileLooking(client, before, after) {
  const queue = client.queue('torture');
  queue.getJob = async (id) => {
    delete queue.getJob;
    const own = await queue.getJob(id);
    await before(own);
    const job = await queue.getJob(id);
    await after(own);
    return job;
  };
}

const nothing = async () => undefined;

// Report these, each once the client has had the event of the one before.
const report = (events, reports) => async (job) => {
  for (const report of reports) {
    let seen = false;
    const see = ({ data }) => (seen ||= data === report);
    events.on('progress', see);
    // The first ones may come before it reads events.
    for (; !seen; await setTimeout(5)) await job.updateProgress(report);
    events.off('progress', see);
  }
};

const handlers = {
  sendReceipt: async (payload, job) => {
    await job.updateProgress({ lines: payload.lines.length });
    return { mailId: `mail-${payload.orderId} ${payload.language}` };
  },
  untilCancelled: async (payload, job, token, signal) => {
    await job.updateProgress('waits');
    await once(signal, 'abort');
    return { mailId: `${signal.reason}, ${token === job.token}` };
  },
};

const made = ({ library, jobs }, { job, payload, options, children }) =>
  library.flow(
    jobs[job], payload, children ? { ...options, children: children.map((one) => made({ library, jobs }, one)) } : options,
  );
const ids = ({ job, children }) => [job.id, ...children.flatMap(ids)];

const calls = {
  check: async ({ library, jobs }, { job, payload }) => library.check(jobs[job], payload),
  enqueue: async ({ client }, { job, payload, options }) =>
    (await client.enqueue[job](payload, withUndefined(options))).id,
  enqueueMany: async ({ client }, { job, payloads, options, each }) =>
    (await client.enqueueMany[job](payloads, each ? (payload) => each[payloads.indexOf(payload)] : options)).map(
      ({ id }) => id,
    ),
  chunks: async ({ client, jobs }, { job, payloads }) => {
    const { queue } = jobs[job];
    const sizes = [];
    // BullMQ 5 ends the process if it is closed while it connects.
    await client.queue(queue).waitUntilReady();
    client.queue(queue).addBulk = async (list) => sizes.push(list.length) && list;
    await client.enqueueMany[job](payloads);
    delete client.queue(queue).addBulk;
    return sizes;
  },
  flow: async (opened, { root }) => (await opened.client.enqueueFlow(made(opened, root))).job.id,
  flowIds: async (opened, { root }) => ids(await opened.client.enqueueFlow(made(opened, root))),
  flowResult: async (opened, { root }) => (await (await opened.client.enqueueFlow(made(opened, root))).job.result()) ?? null,
  find: async ({ client }, { job, id }) => client.find[job](id).id,
  result: async ({ client }, { job, id, timeoutMs }) =>
    (await client.find[job](id).result({ timeoutMs: timeoutMs === 'Infinity' ? Infinity : timeoutMs })) ?? null,
  results: async ({ client }, { job, ids }) => Promise.all(ids.map((id) => client.find[job](id).result())),
  progress: async ({ client }, { job, id, most, timeoutMs }) => {
    const told = [];
    const signal = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    for await (const one of client.find[job](id).progress({ signal })) {
      told.push(one);
      if (told.length === most) break;
    }
    return told;
  },
  // Followed beside other calls, until `unfollow`.
  follow: async ({ client, followed }, { job, id }) => {
    const abort = new AbortController();
    const one = { told: [], ended: false, abort };
    followed.set(id, one);
    (async () => {
      for await (const report of client.find[job](id).progress({ signal: abort.signal })) one.told.push(report);
      one.ended = true;
    })();
  },
  followed: async ({ followed }, { id }) => ({ told: followed.get(id).told, ended: followed.get(id).ended }),
  unfollow: async ({ followed }, { id }) => followed.get(id).abort.abort(),
  progressWhileLooking: async ({ client, listeners }, { job, id, before, after, most }) => {
    whileLooking(client, report(listeners.at(-1), before), report(listeners.at(-1), after));
    return calls.progress({ client }, { job, id, most });
  },
  resultWhileRetried: async ({ client }, { job, id, until = 'waiting', timeoutMs }) => {
    whileLooking(client, nothing, async (own) => {
      await own.retry();
      while ((await own.getState()) !== until) await setTimeout(5);
    });
    return calls.result({ client }, { job, id, timeoutMs });
  },
  resultWhileRemoved: async ({ client, listeners }, { job, id, result }) => {
    whileLooking(client, async (own) => {
      listeners.at(-1).emit('completed', { jobId: id, returnvalue: result });
      await own.remove();
    }, nothing);
    return calls.result({ client }, { job, id });
  },
  listeners: async ({ listeners }) =>
    ['progress', 'completed', 'failed', 'removed'].map((name) =>
      listeners.reduce((count, one) => count + one.listenerCount(name), 0),
    ),
  warnings: async () => warnings,
  opts: async ({ client }, { job, id }) => (await client.find[job](id).job()).opts,
  work: async (opened, { jobs, prefix }) => {
    const { library } = opened;
    const list = Object.entries(jobs).map(([name, handler]) => library.handle(opened.jobs[name], handlers[handler]));
    opened.workers.push(library.createWorker(list, { connection, prefix }));
  },
  cancel: async ({ workers }, { id, reason }) => workers[0].cancelJob(id, reason),
  workQueues: async (opened, { queues, prefix }) => {
    const { library, jobs } = opened;
    const list = queues.map((queue) => library.handle({ ...jobs.sendReceipt, queue }, handlers.sendReceipt));
    opened.workers.push(library.createWorker(list, { connection, prefix }));
  },
  names: async ({ library }) => library.JOB_NAMES,
  version: async (_, __, version) =>
    JSON.parse(readFileSync(`${folders[version]}/node_modules/bullmq/package.json`, 'utf8')).version,
  close: async ({ client, workers }) => {
    await Promise.all(workers.splice(0).map((worker) => worker.close(true)));
    await client.close();
  },
};

const ascii = (text) => text.replace(/[\u007f-\uffff]/g, (unit) => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0'));
// What JSON has no word for.
function revived(_, value) {
  if (typeof value?.$date === 'string') return new Date(value.$date);
  return value;
}
// A reviver cannot give undefined: the field would be gone.
function withUndefined(options) {
  return options && Object.fromEntries(Object.entries(options).map(([name, it]) => [name, it?.$undefined ? undefined : it]));
}

readline.createInterface({ input: process.stdin, crlfDelay: Infinity }).on('line', async (line) => {
  const { id, version, queue, call, args } = JSON.parse(line, revived);
  let said;
  try {
    said = { id, result: (await calls[call](await side(version, queue, args.port), args, version)) ?? null };
  } catch (error) {
    said = { id, error: `${error?.name}: ${error?.message ?? error}` };
  }
  process.stdout.write(ascii(JSON.stringify(said)) + '\n');
}).on('close', () => process.exit(0));
