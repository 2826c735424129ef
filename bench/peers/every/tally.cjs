// For Node what tally.py and adding.py are for Python. Node cannot map a file: a timer writes it every 20 ms.
const fs = require("node:fs");
const path = require("node:path");

const HEAD = 5;
const WRITTEN_EVERY_MS = 20;
const run = JSON.parse(process.env.BENCH_RUN);
const filler = "x".repeat(Math.max(0, run.payload_bytes - 150));

function payload(number, sentNs = 0) {
  return {
    cafeId: `7c9e6679-7425-40de-944b-${String(number).padStart(12, "0")}`,
    name: "Café Grundmann" + filler,
    rating: 4.5,
    tags: ["wifi", "breakfast"],
    sentNs,
  };
}

let done = 0;
let firstNs = 0n;
let lastNs = 0n;
let cpuBeforeNs = 0n;
let noted = 0;
const latencies = new BigUint64Array(run.mode === "latency" ? run.jobs : 0);

function write(file) {
  const head = new BigUint64Array([BigInt(done), firstNs, lastNs, cpuBeforeNs, BigInt(noted)]);
  // The count last: whoever reads it shall find the rest there.
  if (noted) fs.writeSync(file, latencies, 0, noted * 8, HEAD * 8);
  fs.writeSync(file, head, 0, HEAD * 8, 0);
}

function started(sentNs) {
  if (!firstNs) open();
  if (sentNs) latencies[noted++] = process.hrtime.bigint() - BigInt(sentNs);
}

function ended() {
  lastNs = process.hrtime.bigint();
  done++;
}

function open() {
  const used = process.cpuUsage();
  cpuBeforeNs = BigInt(used.user + used.system) * 1000n;
  const file = fs.openSync(path.join(run.tallies, `${process.pid}.tally`), "w");
  let written = -1;
  setInterval(() => {
    if (written === done) return;
    written = done;
    write(file);
  }, WRITTEN_EVERY_MS);
  firstNs = process.hrtime.bigint();
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function addAsTold(add, addMany) {
  let began = process.hrtime.bigint();
  let before = process.cpuUsage();
  if (run.mode === "latency") {
    for (let number = 0; number < run.jobs; number++) {
      await sleep(20 + Math.random() * 40);
      await add(payload(number, Number(process.hrtime.bigint())));
    }
  } else if (run.mode === "one-by-one") {
    for (let number = 0; number < run.jobs; number++) await add(payload(number));
  } else {
    const everything = Array.from({ length: run.jobs }, (_, number) => payload(number));
    began = process.hrtime.bigint();
    before = process.cpuUsage();
    await addMany(everything);
  }
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const used = process.cpuUsage(before);
  console.log(JSON.stringify({ seconds, cpu_s: (used.user + used.system) / 1e6 }));
}

module.exports = { run, started, ended, sleep, addAsTold };
