// What a TypeScript app does, over npm bullmq and over the generated client, as one user of Redis.
// Arguments: the connection as JSON, the folder of the client. Prints what became of each step, as JSON.
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';

const [connection, client] = [JSON.parse(process.argv[2]), process.argv[3]];
const { FlowProducer, Queue, QueueEvents, Worker } = createRequire(`${client}/index.js`)('bullmq');
const { createClient, flow, processCafe } = await import(`${client}/index.js`);

const queue = new Queue('from-node', { connection });
const events = new QueueEvents('from-node', { connection });
const flows = new FlowProducer({ connection });
const generated = createClient({ processCafe }, { connection });
for (const one of [queue, events, flows]) one.on('error', () => {}); // each step tells its own

const cafe = () => ({ cafeId: randomUUID() });

// As the app works those jobs that Python leaves to it.
async function worked(name, wait) {
  const worker = new Worker(name, (job) => job.updateProgress(50), { connection });
  worker.on('error', () => {});
  await wait();
  await worker.close(true);
}

const steps = {
  add: () => queue.add('a', { x: 1 }),
  addBulk: () => queue.addBulk([{ name: 'a', data: {} }, { name: 'b', data: {} }]),
  delay: () => queue.add('a', {}, { delay: 60_000, deduplication: { id: 'once' } }),
  priority: () => queue.add('a', {}, { priority: 3 }),
  scheduler: () => queue.upsertJobScheduler('each', { every: 60_000 }, { name: 'a' }),
  schedulers: () => queue.getJobSchedulers(),
  removeScheduler: () => queue.removeJobScheduler('each'),
  flow: () => flows.add({ name: 'p', queueName: 'from-node', children: [{ name: 'c', queueName: 'other' }] }),
  dependencies: async () => (await queue.add('a', {})).getDependenciesCount(),
  counts: () => queue.getJobCounts(),
  countsPerPriority: () => queue.getCountsPerPriority([0, 3]),
  getJobs: () => queue.getJobs(['waiting', 'delayed', 'prioritized', 'failed', 'completed']),
  log: async () => (await queue.add('a', {})).log('hi'),
  logs: () => queue.getJobLogs('1'),
  metrics: () => queue.getMetrics('completed'),
  workers: () => queue.getWorkers(),
  pause: () => queue.pause(),
  resume: () => queue.resume(),
  globalConcurrency: () => queue.setGlobalConcurrency(3),
  drain: () => queue.drain(true),
  clean: () => queue.clean(0, 100, 'completed'),
  retry: () => queue.retryJobs(),
  trimEvents: () => queue.trimEvents(10),
  queueEvents: () => events.waitUntilReady(),
  work: async () => {
    const job = await queue.add('w', {});
    await worked('from-node', () => job.waitUntilFinished(events, 10_000));
  },
  client: () => generated.enqueue.processCafe(cafe()),
  clientMany: () => generated.enqueueMany.processCafe([cafe(), cafe()]),
  clientFlow: () => generated.enqueueFlow(flow(processCafe, cafe())),
  clientResult: async () => {
    const job = await generated.enqueue.processCafe(cafe());
    await worked(processCafe.queue, () => job.result({ timeoutMs: 10_000 }));
  },
  obliterate: () => queue.obliterate({ force: true }),
};

const became = {};
for (const [name, step] of Object.entries(steps)) {
  became[name] = await Promise.resolve().then(step).then(() => 'done', (error) => error.message);
}
console.log(JSON.stringify(became));
process.exit(0);
