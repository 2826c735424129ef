// The Node side of the tests: one process with BullMQ 6 and 5 side by side, told what to do in JSON lines on stdin
// ({"id":1,"version":6,"queue":"q","call":"add","args":{…}}), answering on stdout ({"id":1,"result":…} or "error").
// Its one argument is the connection as JSON: {"host":…,"port":…,"db":…}. It ends when stdin ends.
'use strict';

const { inspect } = require('node:util');
const readline = require('node:readline');

const LIBRARIES = { 6: require('bullmq'), 5: require('bullmq5') };
const VERSIONS = { 6: require('bullmq/package.json').version, 5: require('bullmq5/package.json').version };
const EVENTS = [
  'active', 'added', 'cleaned', 'completed', 'deduplicated', 'delayed', 'drained', 'duplicated', 'failed', 'paused',
  'progress', 'removed', 'resumed', 'retries-exhausted', 'stalled', 'waiting', 'waiting-children',
];
const connection = JSON.parse(process.argv[2]);

// stdout belongs to the answers: what BullMQ prints must not get between them.
console.log = console.info = console.error;

function failsOnPurpose(text) {
  throw new Error(text);
}

// How a Node worker works a job is decided by the job's name; an unknown name returns its data.
const processors = {
  fail: (job) => failsOnPurpose(job.data.reason),
  flaky: (job) => (job.attemptsMade < job.data.failures ? failsOnPurpose(`failure ${job.attemptsMade + 1}`) : 'done'),
  'first-start-fails': (job) => (job.attemptsStarted === 1 ? failsOnPurpose('the first start') : 'done'),
  unrecoverable: (job, side) => {
    throw new side.library.UnrecoverableError(job.data.reason);
  },
  progress: async (job) => {
    for (const step of job.data.steps) await job.updateProgress(step);
    return job.data.steps.length;
  },
  log: async (job) => {
    for (const line of job.data.lines) await job.log(line);
  },
  held: (job, side) => new Promise((resolve) => side.held.set(job.id, () => resolve(job.data))),
  inspect: (job) => inspect(job.data, { depth: null, breakLength: Infinity }),
  children: (job) => job.getChildrenValues(),
  told: (job) => ({ id: job.id, attempt: job.attemptsMade + 1, starts: job.attemptsStarted }),
};

async function whole(job, queue) {
  return {
    id: job.id,
    name: job.name,
    data: job.data,
    opts: job.opts,
    returnvalue: job.returnvalue,
    failedReason: job.failedReason,
    stacktrace: job.stacktrace,
    progress: job.progress,
    attemptsMade: job.attemptsMade,
    attemptsStarted: job.attemptsStarted,
    stalledCounter: job.stalledCounter,
    processedOn: job.processedOn,
    finishedOn: job.finishedOn,
    priority: job.priority,
    delay: job.delay,
    timestamp: job.timestamp,
    parentKey: job.parentKey,
    deduplicationId: job.deduplicationId,
    repeatJobKey: job.repeatJobKey,
    state: await job.getState(),
    logs: (await queue.getJobLogs(job.id)).logs,
  };
}

// Everything one test has open on one queue in one version.
class Side {
  constructor(version, name) {
    this.version = version;
    this.library = LIBRARIES[version];
    this.name = name;
    this.workers = [];
    this.held = new Map();
    this.taken = new Map();
    this.errors = [];
    this.seen = [];
    this.watchers = new Set();
  }

  open(kind, ...args) {
    const opened = new this.library[kind](this.name, ...args);
    opened.on('error', (error) => this.errors.push(`${kind}: ${error.message}`));
    return opened;
  }

  get queue() {
    return (this._queue ??= this.open('Queue', { connection }));
  }

  // Never fetches by itself: `take` and `finish` step it by hand.
  get hand() {
    return (this._hand ??= this.open('Worker', null, { connection, autorun: false, lockDuration: 60_000 }));
  }

  async job(id) {
    const job = await this.queue.getJob(id);
    if (!job) throw new Error(`no job ${id} in ${this.name}`);
    return job;
  }

  async close() {
    for (const release of this.held.values()) release();
    await Promise.all(this.workers.map((worker) => worker.close(true)));
    await Promise.all([this._events, this._hand, this._twin, this._flows, this._queue].map((opened) => opened?.close()));
  }
}

const calls = {
  ...require('./by_hand.cjs'),
  add: async (side, { name, data, opts }) => (await side.queue.add(name, data, opts)).id,
  addBulk: async (side, { jobs }) => (await side.queue.addBulk(jobs)).map((job) => job.id),
  addFlow: async (side, { flow }) => {
    side._flows ??= new side.library.FlowProducer({ connection });
    const ids = (node) => ({ id: node.job.id, children: (node.children ?? []).map(ids) });
    return ids(await side._flows.add(flow));
  },

  // Working: by itself …
  startWorker: async (side, { opts }) => {
    const work = (job) => (processors[job.name] ?? (() => job.data))(job, side);
    const worker = side.open('Worker', work, { connection, drainDelay: 1, ...opts });
    side.workers.push(worker);
    await worker.waitUntilReady();
  },
  stopWorkers: async (side, { force }) => {
    await Promise.all(side.workers.splice(0).map((worker) => worker.close(force)));
  },
  release: async (side, { id }) => {
    const release = side.held.get(id);
    if (!release) return false;
    side.held.delete(id);
    release();
    return true;
  },

  // … and by hand, one step a call.
  take: async (side) => {
    const job = await side.hand.getNextJob(`hand-${side.version}`, { block: false });
    if (!job) return null;
    side.taken.set(job.id, job);
    return job.id;
  },
  finish: async (side, { id, error }) => {
    const job = side.taken.get(id);
    side.taken.delete(id);
    if (error) await job.moveToFailed(new Error(error), `hand-${side.version}`, false);
    else await job.moveToCompleted(job.data ?? null, `hand-${side.version}`, false);
  },

  // Looking
  getJob: async (side, { id }) => {
    const job = await side.queue.getJob(id);
    return job ? whole(job, side.queue) : null;
  },
  getJobs: async (side, { types }) => (await side.queue.getJobs(types)).map((job) => job.id),
  counts: (side) => side.queue.getJobCounts(),
  workers: async (side) => (await side.queue.getWorkers()).map((worker) => worker.rawname ?? worker.name),
  schedulers: (side) => side.queue.getJobSchedulers(),
  isPaused: (side) => side.queue.isPaused(),
  errors: (side) => side.errors,

  // Changing
  pause: (side) => side.queue.pause(),
  resume: (side) => side.queue.resume(),
  remove: (side, { id }) => side.queue.remove(id),
  retry: async (side, { id, state }) => (await side.job(id)).retry(state),
  promote: async (side, { id }) => (await side.job(id)).promote(),
  changePriority: async (side, { id, priority }) => (await side.job(id)).changePriority({ priority }),
  changeDelay: async (side, { id, delay }) => (await side.job(id)).changeDelay(delay),
  updateData: async (side, { id, data }) => (await side.job(id)).updateData(data),
  drain: (side) => side.queue.drain(),
  upsertScheduler: async (side, { id, repeat, template }) =>
    (await side.queue.upsertJobScheduler(id, repeat, template))?.id,
  removeScheduler: (side, { id }) => side.queue.removeJobScheduler(id),

  // Events: all that this queue's stream has held since its start, in order.
  listen: async (side) => {
    if (side._events) return;
    side._events = side.open('QueueEvents', { connection, lastEventId: '0', blockingTimeout: 1000 });
    for (const event of EVENTS) {
      side._events.on(event, (args) => {
        side.seen.push({ event, ...(typeof args === 'object' ? args : {}) });
        for (const look of side.watchers) look();
      });
    }
    await side._events.waitUntilReady();
  },
  seen: (side) => side.seen,
  see: (side, { expected, timeout }) =>
    new Promise((resolve) => {
      const fits = (event) => Object.entries(expected).every(([key, value]) => inspect(event[key]) === inspect(value));
      const done = (found) => {
        clearTimeout(timer);
        side.watchers.delete(look);
        resolve(found);
      };
      const look = () => {
        const found = side.seen.find(fits);
        if (found) done(found);
      };
      const timer = setTimeout(() => done(null), timeout);
      side.watchers.add(look);
      look();
    }),
  waitUntilFinished: async (side, { id, timeout }) => {
    await calls.listen(side);
    return (await side.job(id)).waitUntilFinished(side._events, timeout);
  },
};

const sides = new Map();

async function answer({ version, queue, call, args }) {
  if (call === 'versions') return VERSIONS;
  const key = `${version} ${queue}`;
  if (call === 'close') {
    const side = sides.get(key);
    sides.delete(key);
    return side?.close();
  }
  if (!sides.has(key)) sides.set(key, new Side(version, queue));
  return calls[call](sides.get(key), args);
}

// Plain ASCII on the wire: a lone surrogate or U+2028 must not meet anybody's text decoder or line splitter.
function ascii(text) {
  return text.replace(/[\u007f-\uffff]/g, (unit) => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0'));
}

readline.createInterface({ input: process.stdin, crlfDelay: Infinity }).on('line', async (line) => {
  const asked = JSON.parse(line);
  let said;
  try {
    said = { id: asked.id, result: (await answer(asked)) ?? null };
  } catch (error) {
    said = { id: asked.id, error: String(error?.message ?? error) };
  }
  process.stdout.write(ascii(JSON.stringify(said)) + '\n');
}).on('close', () => process.exit(0));
