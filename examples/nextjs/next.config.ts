import type { NextConfig } from "next";

// Next reads it when it builds, and keeps it.
const dashboard = process.env.DASHBOARD_URL ?? "http://127.0.0.1:8321";

const config: NextConfig = {
  // Loads its scripts and starts its processes by paths, which a bundle does not have.
  serverExternalPackages: ["bullmq"],
  rewrites: async () => [{ source: "/dashboard/queues/:path*", destination: `${dashboard}/dashboard/queues/:path*` }],
};

export default config;
