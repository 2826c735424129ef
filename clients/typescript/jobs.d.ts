// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
export { processCafe } from "./jobs/process-cafe.js";
export { updateCafeStats } from "./jobs/update-cafe-stats.js";
