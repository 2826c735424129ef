import { jobs } from "../../../../jobs";
import type { Told } from "../told";

// What compresses on the way would hold events back until it has enough of them.
const headers = { "Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform" };

/** The job's events, from its last report to its end. A real app asks first whose job it is. */
export async function GET(request: Request, { params }: { params: Promise<{ id: string }> }): Promise<Response> {
  const { id } = await params;
  // Other words are other keys of the queue than those of jobs.
  if (!/^\d+$/.test(id)) return new Response("There is no such job.", { status: 404 });
  return new Response(stream(events(id, request.signal)), { headers });
}

async function* events(id: string, left: AbortSignal): AsyncGenerator<Told, void, void> {
  const job = jobs.find.updateCafeStats(id);
  for await (const percent of job.progress({ signal: left })) yield { percent: Number(percent) };
  if (left.aborted) return;
  try {
    yield { result: await job.result() };
  } catch (error) {
    yield { failed: error instanceof Error ? error.message : String(error) };
  }
}

function stream(events: AsyncGenerator<Told, void, void>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await events.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(`data: ${JSON.stringify(value)}\n\n`));
    },
  });
}
