// The side of TypeScript's: one process with the generated client over BullMQ 6 and 5, told what to do in JSON lines as
// `driver.cjs` is. Arguments: the connection as JSON, then the folder of the client for each version as JSON.
import { readFileSync } from 'node:fs';
import readline from 'node:readline';

const connection = JSON.parse(process.argv[2]);
const folders = JSON.parse(process.argv[3]);
const opened = new Map();

console.log = console.info = console.error;

// Everything that a version has open, under one prefix.
async function side(version, prefix) {
  const key = `${version} ${prefix}`;
  if (!opened.has(key)) {
    const library = await import(`${folders[version]}/index.js`);
    const jobs = await import(`${folders[version]}/jobs.js`);
    const client = library.createClient(jobs, { connection, prefix });
    opened.set(key, { library, jobs, client, workers: [] });
  }
  return opened.get(key);
}

const handlers = {
  sendReceipt: async (payload, job) => {
    await job.updateProgress({ lines: payload.lines.length });
    return { mailId: `mail-${payload.orderId} ${payload.language}` };
  },
};

const calls = {
  check: async ({ library, jobs }, { job, payload }) => library.check(jobs[job], payload),
  enqueue: async ({ client }, { job, payload, options }) => (await client.enqueue[job](payload, options)).id,
  enqueueMany: async ({ client }, { job, payloads, options }) =>
    (await client.enqueueMany[job](payloads, options)).map((one) => one.id),
  flow: async ({ library, jobs, client }, { root }) => {
    const make = ({ job, payload, options, children }) =>
      library.flow(jobs[job], payload, children ? { ...options, children: children.map(make) } : options);
    return (await client.enqueueFlow(make(root))).job.id;
  },
  result: async ({ client }, { job, id, timeoutMs }) => (await client.find[job](id).result({ timeoutMs })) ?? null,
  progress: async ({ client }, { job, id, most }) => {
    const told = [];
    for await (const one of client.find[job](id).progress()) {
      told.push(one);
      if (told.length === most) break;
    }
    return told;
  },
  opts: async ({ client }, { job, id }) => (await client.find[job](id).job()).opts,
  work: async (opened, { jobs, prefix }) => {
    const { library } = opened;
    const list = jobs.map((name) => library.handle(opened.jobs[name], handlers[name]));
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

readline.createInterface({ input: process.stdin, crlfDelay: Infinity }).on('line', async (line) => {
  const { id, version, queue, call, args } = JSON.parse(line);
  let said;
  try {
    said = { id, result: (await calls[call](await side(version, queue), args, version)) ?? null };
  } catch (error) {
    said = { id, error: `${error?.name}: ${error?.message ?? error}` };
  }
  process.stdout.write(ascii(JSON.stringify(said)) + '\n');
}).on('close', () => process.exit(0));
