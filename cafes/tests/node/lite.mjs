// Supabase's API over the databases of one Postgres: `node lite.mjs SOCKET_FOLDER SECRET_KEY PUBLISHABLE_KEY`.
// Database `x` is the project at `http://127.0.0.1:PORT/x`. Says `{"port": PORT}` once it listens; ends when stdin does.

import { createServer } from "node:http"
import { getRequestListener } from "@hono/node-server"
import { App } from "@supabase/lite"
import { createPostgresConnection } from "@supabase/lite/postgres"

const [socketFolder, secretKey, publishableKey] = process.argv.slice(2)
const apps = new Map()

// Lite 0.10 turns arguments of type jsonb into JSON itself, and its driver would do so once more.
const jsonb = {
  to: 3802,
  from: [3802],
  serialize: (value) => (typeof value === "string" ? value : JSON.stringify(value)),
  parse: JSON.parse,
}

function appOf(database) {
  if (!apps.has(database)) {
    const connection = createPostgresConnection({
      url: `postgres://postgres@localhost/${database}`,
      postgresOptions: { path: `${socketFolder}/.s.PGSQL.5432`, max: 10, onnotice() {}, types: { jsonb } },
    })
    const auth = { enabled: false, secret_key: secretKey, publishable_key: publishableKey }
    apps.set(database, new App({ connection, auth }))
  }
  return apps.get(database)
}

const server = createServer(
  getRequestListener((request) => {
    const url = new URL(request.url)
    const [, database, ...path] = url.pathname.split("/")
    url.pathname = path.join("/")
    return appOf(database).fetch(new Request(url, request), { peerAddress: null })
  }),
)
// Longer than any pause of a busy machine: what is lost on the way shall be what a test loses.
server.keepAliveTimeout = 60_000
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })))
process.stdin.resume().on("end", () => process.exit())
