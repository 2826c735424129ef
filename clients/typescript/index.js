// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
export * from "./client.js";
export * from "./jobs.js";

export const JOB_NAMES = [
  "process-cafe",
  "update-cafe-stats",
];
