// Npm bullmq's own worker at its best documented settings: works `jobs` no-op jobs, prints what it cost.
const path = require("node:path");
const [, , modules, port, queue, jobs, concurrency] = process.argv;
const { Worker } = require(path.join(modules, "bullmq"));

let left = Number(jobs);
const started = process.hrtime.bigint();
const before = process.cpuUsage();
const worker = new Worker(queue, async () => null, {
  connection: { host: "127.0.0.1", port: Number(port), db: 1, maxRetriesPerRequest: null },
  concurrency: Number(concurrency),
});
worker.on("completed", async () => {
  if (--left > 0) return;
  const used = process.cpuUsage(before);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const rss_mb = process.memoryUsage().rss / 2 ** 20;
  console.log(JSON.stringify({ seconds, cpu_s: (used.user + used.system) / 1e6, rss_mb }));
  await worker.close();
  process.exit(0);
});
