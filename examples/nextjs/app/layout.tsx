import type { Metadata } from "next";
import type { ReactNode } from "react";
import "./style.css";

export const metadata: Metadata = { title: "Cafes" };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <nav>
          <a href="/">Cafes</a>
          {/* A plain link: the dashboard is another app, and not a page of this one. */}
          <a href="/dashboard/queues">Queues</a>
        </nav>
        <main>{children}</main>
      </body>
    </html>
  );
}
