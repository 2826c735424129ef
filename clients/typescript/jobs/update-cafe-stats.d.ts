// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
import type { DeclaredJob } from "../client.js";

/** Which city, by its slug. None: all of them. */
export interface UpdateCafeStats {
  /** @default null */
  citySlug?: string | null | undefined;
}

/** What was counted. `processed`: cafes, all statuses together. */
export interface CafeStatsUpdated {
  success: true;
  processed: number;
  citiesProcessed: number;
  published: number;
  needsReview: number;
  duplicates: number;
}

/**
 * Job update-cafe-stats: count the cafes of one city, or of all, by status. After all of them, forget old claims.
 */
export declare const updateCafeStats: DeclaredJob<UpdateCafeStats, CafeStatsUpdated, "key">;
