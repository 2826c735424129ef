"use server";

import { redirect } from "next/navigation";
import { jobs } from "../jobs";

/** Enqueue the count of one city, or of all, and show how far it is. A real app asks first who is signed in. */
export async function recount(form: FormData): Promise<void> {
  const city = form.get("city");
  const added = await jobs.enqueue.updateCafeStats({ citySlug: typeof city === "string" && city !== "" ? city : null });
  redirect(`/jobs/${added.id}`);
}
