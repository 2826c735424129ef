// What an app does with the client of the torture app: it must pass `tsc --strict`, and each wrong line must not.
import { Worker } from "bullmq";
import {
  JOB_NAMES, check, createClient, createProcessor, createWorker, flow, handle, keyed, nested, scalars, sendReceipt, told,
  words,
} from "torture-jobs";
import type {
  InvalidPayload, JobFailed, JobGone, JobName, JobUnfinished, Named, Nested, ReceiptSent, Scalars, SendReceipt, Sent,
} from "torture-jobs";
import * as z from "zod";
import { words as alone } from "torture-jobs/jobs/words";
import * as jobs from "torture-jobs/jobs";

const connection = { host: "127.0.0.1", port: 6379 };
const client = createClient({ scalars, nested, words, keyed, told, sendReceipt }, { connection, prefix: "bull" });
const all = createClient(jobs, { connection });
const name: JobName = JOB_NAMES[0];
const one = createClient({ alone }, { connection }).enqueue.alone({ word: "", number: 9007199254740991 });

const right: Scalars = {
  flag: true, whole: 1, real: 0.5, text: "", id: "9b2c1e0e-0000-4000-8000-000000000000", day: "2026-01-31",
  clock: "10:00:00", moment: new Date(), span: "PT1S", price: "1.10", level: 10, size: 2, class: "a",
  "odd-name": "b", default: "c", digits: undefined,
};
const thread: Nested["thread"] = { text: "a", replies: [{ text: "b", replies: [] }] };
const full: Nested = {
  payment: { kind: "split", parts: [{ kind: "cash", given: 5 }, { kind: "split", parts: [] }] },
  thread, threads: { items: [thread] }, numbers: { items: [1, 2], nextPage: null }, maybe: null, either: "x",
  pair: [1, "a"], byName: { a: thread }, byColour: { red: 1 }, on: { date: "2026-01-31" },
  loose: { known: 1, more: ["of", "it"] }, anything: { a: [1] },
};

const named: Named = {
  mapping: thread, discriminator: "", properties: { kind: "cash", given: 1 }, byId: { [right.id]: 1 }, bySlug: { a: 1 },
};

async function use(): Promise<void> {
  const added = await client.enqueue.scalars(right, { delay: 1_000, jobId: "mine" });
  const result = await added.result({ timeoutMs: 1_000 });
  const at: string = result.at;
  const deep: string | undefined = result.thread.replies[0]?.replies[0]?.text;
  for await (const progress of added.progress({ signal: AbortSignal.timeout(5) })) console.log(progress, at, deep);
  const many = await client.enqueueMany.nested([full, full], { priority: 3 });
  const replies = await many[0]?.result();
  const total: string | undefined = replies?.[0]?.total;
  const none: null = await (await all.find.keyed("1")).result();
  await client.enqueue.told({ email: "a@b.c" }, { unique: "a@b.c" });
  await client.enqueueMany.told([{ email: "a@b.c" }], ({ email }) => ({ unique: email }));
  const tree = await client.enqueueFlow(
    flow(scalars, right, { children: [flow(keyed, {}), flow(nested, full, { attempts: 2 }), flow(told, { email: "a" }, { unique: null })] }),
  );
  const again: string = (await client.find.scalars(tree.job.id).result()).at;
  const ofRoot: string = (await tree.job.result()).at;
  const ofChild: unknown = await tree.children[0]?.children[0]?.job.result();
  console.log(name, one, named, total, none, again, ofRoot, ofChild);
  await client.close();
}

// What is sent, as forms and `check` give it: moments are texts.
const moment: string = check(scalars, right).moment;
const deepest: string | undefined = check(nested, full).thread.replies?.[0]?.text;
const fromForm: z.output<typeof scalars.payload> = scalars.payload.parse(right);
const intoForm: z.input<typeof scalars.payload> = { ...right, moment: new Date() };
const asTyped: Sent<Scalars> = { ...right, moment: "2026-01-31T10:00:00Z" };
const pair: readonly [number, string] = nested.payload.parse(full).pair;
const given: SendReceipt = sendReceipt.payload.parse({ orderId: "", lines: [], at: null });

const sent = handle(sendReceipt, async (payload, job) => {
  const order: SendReceipt["orderId"] = payload.orderId;
  await job.updateProgress({ lines: payload.lines.length });
  const result: ReceiptSent = { mailId: `${order} ${payload.at}` };
  return result;
});
const cancelled = handle(sendReceipt, async (payload, job, token, signal) => {
  await fetch("http://127.0.0.1", signal === undefined ? {} : { signal });
  await job.moveToDelayed(0, token);
  return { mailId: payload.orderId };
});
const own = new Worker("in-typescript", createProcessor([cancelled]), { connection });
const failed = (error: JobFailed | JobGone | JobUnfinished): "JobFailed" | "JobGone" | "JobUnfinished" => error.name;
const worker = createWorker([sent], { connection, concurrency: 5 });
const processor = createProcessor([sent]);
const told_of = (error: InvalidPayload): readonly string[] => error.fields;
export {
  use, worker, processor, told_of, moment, deepest, fromForm, intoForm, asTyped, pair, given, own, failed,
};

export async function wrong(): Promise<void> {
  // @ts-expect-error a field is missing
  const { whole, ...without } = right; await client.enqueue.scalars({ ...without, whole: undefined });
  // @ts-expect-error a field is unknown
  await client.enqueue.keyed({ cityID: null });
  // @ts-expect-error a field has its name in Python
  await client.enqueue.keyed({ city_id: null });
  // @ts-expect-error a wrong type, deep inside
  await client.enqueue.nested({ ...full, thread: { text: "a", replies: [{ text: 1 }] } });
  // @ts-expect-error no member of the enumeration
  await client.enqueue.scalars({ ...right, colour: "blue" });
  // @ts-expect-error the tag of another form
  await client.enqueue.nested({ ...full, payment: { kind: "cash", lastDigits: "1234" } });
  // @ts-expect-error the tag is missing, though it has a default in Python
  await client.enqueue.nested({ ...full, payment: { given: 1 } });
  // @ts-expect-error entries of another kind, whose names have a form
  await all.enqueue.named({ ...named, byId: { a: "b" } });
  // @ts-expect-error the same, by a pattern
  await all.enqueue.named({ ...named, bySlug: { a: "b" } });
  // @ts-expect-error a tuple that is too long
  await client.enqueue.nested({ ...full, pair: [1, "a", 2] });
  // @ts-expect-error null is no text
  await client.enqueue.scalars({ ...right, text: null });
  // @ts-expect-error no such job
  await client.enqueue.scalar(right);
  // @ts-expect-error what Python alone can tell has to be said
  await client.enqueue.told({ email: "a@b.c" });
  // @ts-expect-error of each one, too
  await client.enqueueMany.told([{ email: "a@b.c" }]);
  // @ts-expect-error the result has no such field
  (await (await client.enqueue.scalars(right)).result()).attempts;
  // @ts-expect-error an option of another job's payload
  flow(keyed, right);
  // @ts-expect-error a moment that is sent is a text
  check(scalars, right).moment.getTime();
  // @ts-expect-error what is sent has no other fields
  scalars.payload.parse(right).moments;
  // @ts-expect-error children are made by `flow`
  flow(scalars, right, { children: [{ name: "keyed", queueName: "torture" }] });
  // @ts-expect-error the result of a flow is that of its root
  (await client.enqueueFlow(flow(keyed, {})).then(({ job }) => job.result())).at;
  // @ts-expect-error a wrong result
  handle(sendReceipt, async () => ({ mail: "1" }));
  // @ts-expect-error Python works it
  handle(keyed, async () => null);
}
