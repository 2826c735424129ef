// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
export * from "./client.js";
export * from "./jobs.js";
export type { ProcessCafe, CafeProcessed } from "./jobs/process-cafe.js";
export type { UpdateCafeStats, CafeStatsUpdated } from "./jobs/update-cafe-stats.js";

/** The names of all jobs, as they are on the wire. */
export declare const JOB_NAMES: readonly [
  "process-cafe",
  "update-cafe-stats",
];
export type JobName = (typeof JOB_NAMES)[number];
