// Working by hand under the tokens and at the time that a test gives, for `npm_twins.py`: what a worker of BullMQ's does
// between two fetches, through the public methods of its Worker and Job.
'use strict';

// Of the whole process, for which reason the twins have one of their own.
function setClock(side, { at }) {
  Date.now = () => at;
}

function worker(side, lockDuration) {
  side.tokens ??= new Map();
  return (side._twin ??= side.open('Worker', null, {
    connection: side.queue.opts.connection, autorun: false, lockDuration, name: 'twin',
  }));
}

// Let go of all that is held: the test has emptied the queue.
function forget(side) {
  side.tokens?.clear();
}

function hold(side, job, token) {
  if (!job) return null;
  side.tokens.set(token, job);
  return { id: job.id, name: job.name, attempt: job.attemptsMade + 1, starts: job.attemptsStarted, token };
}

async function fetch(side, { token, lockDuration }) {
  const hand = worker(side, lockDuration);
  // The test says when the limit's time is over, by removing its key.
  hand.limitUntil = 0;
  const job = await hand.getNextJob(token, { block: false });
  return { job: hold(side, job, token), nextAt: job ? null : hand.blockUntil || null, limited: hand.limitUntil > 0 };
}

function errorOf(side, { reason, stack, unrecoverable }) {
  const error = unrecoverable ? new side.library.UnrecoverableError(reason) : new Error(reason);
  error.stack = stack;
  return error;
}

// One outcome, its job fetched under `token`; with `fetchNext` the next job comes along, under the same token.
async function settle(side, { token, how, value, at, error, fetchNext }) {
  const job = side.tokens.get(token);
  const stacktrace = [...(job.stacktrace ?? [])];
  const ways = {
    complete: () => job.moveToCompleted(value, token, fetchNext),
    fail: () => job.moveToFailed(errorOf(side, error), token, fetchNext),
    delay: () => job.moveToDelayed(at, token),
    wait: () => job.moveToWait(token),
  };
  try {
    const next = await ways[how]();
    const fetched = fetchNext && Array.isArray(next) ? await side._twin.nextJobFromJobData(next[0], next[1], token) : null;
    return { code: 0, next: hold(side, fetched, token) };
  } catch (thrown) {
    // Tried again it would have failed twice.
    job.stacktrace = stacktrace;
    return { code: thrown.code ?? null, said: thrown.message, next: null };
  }
}

module.exports = {
  setClock,
  forget,
  fetch,
  settle,
  log: async (side, { id, line, keep }) => (await side.job(id)).log(line, keep),
  setConcurrency: (side, { concurrency }) =>
    concurrency === null ? side.queue.removeGlobalConcurrency() : side.queue.setGlobalConcurrency(concurrency),
  setRate: (side, { max, duration }) =>
    max === null ? side.queue.removeGlobalRateLimit() : side.queue.setGlobalRateLimit(max, duration),
};
