// What bull-board 9 shows of some queues: its own routes, asked without a server. Prints one JSON object, by queue.
const { createBullBoard } = require('@bull-board/api');
const { BullMQAdapter } = require('@bull-board/api/bullMQAdapter');

const { connection, version, queues } = JSON.parse(process.argv[2]);
const { Queue } = require(version === 5 ? 'bullmq5' : 'bullmq');
const STATES = ['waiting', 'prioritized', 'active', 'delayed', 'completed', 'failed', 'waiting-children'];

// A server adapter that keeps what it is given.
const board = {};
const serverAdapter = new Proxy({}, {
  get: (_, name) => (value) => {
    board[name] = value;
    return serverAdapter;
  },
});

async function show(activeQueue, status) {
  const route = board.setApiRoutes.find((one) => one.route === '/api/queues');
  const query = { activeQueue, status, page: '1', jobsPerPage: '100' };
  const { body } = await route.handler({ queues: board.setQueues, query, params: {}, headers: {}, body: {} });
  if (!body.queues) throw new Error(JSON.stringify(body));
  return body.queues.find((queue) => queue.name === activeQueue);
}

async function main() {
  const opened = queues.map((name) => new Queue(name, { connection }));
  createBullBoard({ queues: opened.map((queue) => new BullMQAdapter(queue)), serverAdapter });
  const shown = {};
  for (const { name } of opened) {
    const { counts, isPaused, jobSchedulerCount, hasWorkers } = await show(name, 'latest');
    const jobs = {};
    for (const state of STATES) jobs[state] = (await show(name, state)).jobs;
    shown[name] = { counts, isPaused, jobSchedulerCount, hasWorkers, jobs };
  }
  console.log(JSON.stringify(shown));
  await Promise.all(opened.map((queue) => queue.close()));
}

main();
