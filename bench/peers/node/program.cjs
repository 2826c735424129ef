// Npm bullmq, as docs.bullmq.io shows: a Worker with a concurrency, a Queue; both with their defaults.
const path = require("node:path");
const { run, started, ended, sleep, addAsTold } = require("../every/tally.cjs");
const { Queue, Worker } = require(path.join(process.env.BENCH_NODE_MODULES, "bullmq"));

const { hostname, port, pathname } = new URL(run.redis_url);
const connection = { host: hostname, port: Number(port), db: Number(pathname.slice(1)) };
const ADDED_AT_ONCE = 1000;

async function rate(job) {
  started(job.data.sentNs);
  if (run.io_ms) await sleep(run.io_ms);
  ended();
}

async function add() {
  const queue = new Queue(run.queue, { connection });
  await queue.waitUntilReady();
  await addAsTold(
    (one) => queue.add("rate", one),
    async (many) => {
      for (let at = 0; at < many.length; at += ADDED_AT_ONCE)
        await queue.addBulk(many.slice(at, at + ADDED_AT_ONCE).map((data) => ({ name: "rate", data })));
    },
  );
  await queue.close();
}

if (process.argv[2] === "work") {
  const worker = new Worker(run.queue, rate, {
    connection: { ...connection, maxRetriesPerRequest: null },
    concurrency: run.concurrency,
  });
  process.on("SIGTERM", async () => {
    await worker.close();
    process.exit(0);
  });
} else {
  add();
}
