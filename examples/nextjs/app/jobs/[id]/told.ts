import type { CafeStatsUpdated } from "cafes-jobs";

/** What the page is told of its job: how far it is, and then how it ended. */
export type Told = { percent: number } | { result: CafeStatsUpdated } | { failed: string };
