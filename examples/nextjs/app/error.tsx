"use client";

/** Shown where a page or an action failed: if Redis is away, enqueueing does so after three seconds. */
export default function Failed({ reset }: { reset: () => void }) {
  return (
    <>
      <h1>That did not work</h1>
      <p>Is Redis running? What this app logs says more.</p>
      <button onClick={reset}>Try again</button>
    </>
  );
}
