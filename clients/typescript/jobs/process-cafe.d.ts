// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.
import type { DeclaredJob } from "../client.js";

/** Which cafe; `{"cafeId": "…"}` on the wire. */
export interface ProcessCafe {
  cafeId: string;
}

/** What was decided. `others_changed`: how many other cafes' verdicts changed because of this one. */
export interface CafeProcessed {
  cafeId: string;
  status: "PUBLISHED" | "NEEDS_REVIEW" | "DUPLICATE";
  reasons: readonly string[];
  duplicateOf: string | null;
  slug: string;
  citySlug: string | null;
  othersChanged: number;
}

/** Job process-cafe: clean one cafe, decide it among those of its name, and have its city counted again. */
export declare const processCafe: DeclaredJob<ProcessCafe, CafeProcessed, "no">;
