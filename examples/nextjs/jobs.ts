/** The client that `barback typescript` wrote, with this app's Redis. */
import { createClient, updateCafeStats } from "cafes-jobs";

const { REDIS_URL = "redis://127.0.0.1:6379", REDIS_DB = "1", BARBACK_PREFIX = "bull" } = process.env;

function open() {
  return createClient({ updateCafeStats }, { connection: { url: REDIS_URL, db: Number(REDIS_DB) }, prefix: BARBACK_PREFIX });
}

// One a process: `next dev` loads this file anew after each change, and pages and routes have copies of their own.
const kept = globalThis as { jobs?: ReturnType<typeof open> };

export const jobs = (kept.jobs ??= open());
