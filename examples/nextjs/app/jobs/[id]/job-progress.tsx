"use client";

import { useEffect, useState } from "react";
import type { Told } from "./told";

export function JobProgress({ id }: { id: string }) {
  const [told, setTold] = useState<Told>();
  useEffect(() => {
    // It connects again by itself if the connection is lost, and is told the last report anew.
    const source = new EventSource(`/jobs/${encodeURIComponent(id)}/events`);
    source.onmessage = ({ data }: MessageEvent<string>) => {
      const one = JSON.parse(data) as Told;
      setTold(one);
      if (!("percent" in one)) source.close();
    };
    return () => source.close();
  }, [id]);
  return <div role="status">{shown(told)}</div>;
}

function shown(told: Told | undefined) {
  if (told === undefined) return <p>Waiting for a worker …</p>;
  if ("failed" in told) return <p>Failed: {told.failed}</p>;
  if ("percent" in told) {
    return (
      <>
        <progress max={100} value={told.percent} aria-label="How far it is" />
        <p>{told.percent} %</p>
      </>
    );
  }
  const { processed, citiesProcessed, published } = told.result;
  return (
    <p>
      Counted {processed} cafes in {citiesProcessed} cities; {published} are published.
    </p>
  );
}
