// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
import * as z from "zod";
import { text } from "../values.js";

const UpdateCafeStats = z.strictObject({
  citySlug: text({ min: 1 }).nullable().optional(),
});

export const updateCafeStats = {
  name: "update-cafe-stats",
  formerNames: [],
  queue: "cron-jobs",
  schemaHash: "36cbd38b8022",
  payload: UpdateCafeStats,
  options: {
    attempts: 5,
    removeOnComplete: {
      count: 1000,
      age: 86400
    },
    removeOnFail: {
      count: 10000,
      age: 1209600
    },
    keepLogs: 1000,
    stackTraceLimit: 10,
    backoff: {
      type: "exponential",
      delay: 2000,
      longest: 3600000,
      jitter: 0.5
    }
  },
  unique: "key",
  key: (sent) => JSON.stringify([sent.citySlug]),
};
