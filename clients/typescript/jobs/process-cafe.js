// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
import * as z from "zod";

const ProcessCafe = z.strictObject({
  cafeId: z.guid(),
});

export const processCafe = {
  name: "process-cafe",
  formerNames: [],
  queue: "cafe-processing",
  schemaHash: "778ddf15e3b2",
  payload: ProcessCafe,
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
  unique: "no",
};
