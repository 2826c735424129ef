// Npm bullmq beside a drill: node_peer.cjs MODULES PORT QUEUE (pause5 | resume5 | work6 CONCURRENCY)
// `work6` says "ready" once it works, and goes on until its stdin ends.
'use strict';

const path = require('node:path');
const [, , modules, port, name, deed, concurrency] = process.argv;
const connection = { host: '127.0.0.1', port: Number(port), db: 1, maxRetriesPerRequest: null };
const library = (version) => require(path.join(modules, version));

async function change5(change) {
  const queue = new (library('bullmq5').Queue)(name, { connection });
  await change(queue);
  await queue.close();
}

async function work6() {
  const sleep = (job) => new Promise((resolve) => setTimeout(resolve, job.data.forS * 1000));
  const worker = new (library('bullmq').Worker)(name, sleep, { connection, concurrency: Number(concurrency) });
  await worker.waitUntilReady();
  console.log('ready');
  process.stdin.resume().on('end', () => worker.close());
}

const deeds = { pause5: () => change5((q) => q.pause()), resume5: () => change5((q) => q.resume()), work6 };
deeds[deed]();
