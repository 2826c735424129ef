/** A job as Python declares it, and the check of its payload. */
import type { JobsOptions } from "bullmq";
import type { ZodType, core } from "zod";

/**
 * What makes two jobs the same, of which one waits and one runs at most: nothing, some fields ("key"), or code of
 * Python's, so that whoever enqueues has to say it ("told").
 */
export type Unique = "no" | "key" | "told";

/** A job as Python declares it. */
export interface DeclaredJob<Payload = unknown, Result = unknown, U extends Unique = Unique> {
  readonly name: string;
  /** Names it had before. */
  readonly formerNames: readonly string[];
  readonly queue: string;
  /** Of the schema of its payload: the version of the contract. */
  readonly schemaHash: string;
  /** Checks a payload, and gives what is sent. */
  readonly payload: ZodType<Sent<Payload>, Payload>;
  /** BullMQ's options for each job, as Python declares them. */
  readonly options: Readonly<JobsOptions>;
  readonly unique: U;
  /** The key, of jobs that are unique by some fields. */
  readonly key?: (sent: any) => string;
  /** The type of its result; never there. */
  readonly result?: Result;
}

/** A job that TypeScript works and Python enqueues. */
export interface ExternalJob<Payload = unknown, Result = unknown, U extends Unique = Unique>
  extends DeclaredJob<Payload, Result, U> {
  readonly external: true;
}

export type AnyJob = DeclaredJob<any, any, any>;

/** What a job is given. */
export type PayloadOf<J extends AnyJob> = J extends DeclaredJob<infer Payload, any, any> ? Payload : never;
/** What is sent of a payload: the same, but that moments are texts. */
export type Sent<Payload> = Payload extends Date
  ? string
  : Payload extends object
    ? { [Field in keyof Payload]: Sent<Payload[Field]> }
    : Payload;
/** What it gives when it completes. */
export type ResultOf<J extends AnyJob> = J extends DeclaredJob<any, infer Result, any> ? Result : never;
export type UniqueOf<J extends AnyJob> = J extends DeclaredJob<any, any, infer U> ? U : never;

/** A payload that does not fit. `fields`: a line for each that is wrong, as `sentTo.lines[0]: expected string`. */
export class InvalidPayload extends Error {
  override readonly name = "InvalidPayload";
  readonly fields: readonly string[];
  constructor(job: string, fields: readonly string[]) {
    super(`Payload of '${job}' does not fit: ${fields.join("; ")}`);
    this.fields = fields;
  }
}

/** Check a payload, and give what is to be sent. @throws InvalidPayload */
export function check<J extends AnyJob>(job: J, payload: PayloadOf<J>): Sent<PayloadOf<J>> {
  return checked(job, payload, []) as Sent<PayloadOf<J>>;
}

/** As `check`, of the payload that stands at `place` in what the caller gave. @throws InvalidPayload */
export function checked(job: AnyJob, payload: unknown, place: readonly PropertyKey[]): unknown {
  const hidden = hiddenEntry(payload);
  if (hidden !== undefined) throw new InvalidPayload(job.name, [said([...place, ...hidden], HIDDEN)]);
  const found = job.payload.safeParse(payload);
  if (found.success) return found.data;
  throw new InvalidPayload(job.name, found.error.issues.map((issue) => line(place, issue)));
}

const HIDDEN = "an entry of this name would be lost on the way";

/** The place of an entry that is called as what objects inherit from; `JSON.parse` makes such ones. */
function hiddenEntry(value: unknown): PropertyKey[] | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (Object.hasOwn(value, "__proto__")) return ["__proto__"];
  for (const [name, inner] of Object.entries(value)) {
    const place = hiddenEntry(inner);
    if (place !== undefined) return [Array.isArray(value) ? Number(name) : name, ...place];
  }
  return undefined;
}

function line(place: readonly PropertyKey[], issue: core.$ZodIssue): string {
  const path = [...place, ...issue.path];
  // Of a union: why the form did not fit that went furthest.
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const [furthest] = issue.errors.flatMap((form) => form).sort((one, other) => depth(other) - depth(one));
    if (furthest !== undefined && furthest.path.length > 0) return line(path, furthest);
    return said(path, [...new Set(issue.errors.flatMap((form) => form.map((it) => it.message)))].join(", or: "));
  }
  return said(path, issue.message);
}

function depth(issue: core.$ZodIssue): number {
  return issue.path.length;
}

function said(path: readonly PropertyKey[], message: string): string {
  const text = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  return text === "" ? message : `${text.replace(/^\./, "")}: ${message}`;
}
