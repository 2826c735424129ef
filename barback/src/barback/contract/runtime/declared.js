/** A payload that does not fit. `fields`: a line for each that is wrong, as `sentTo.lines[0]: expected string`. */
export class InvalidPayload extends Error {
    name = "InvalidPayload";
    fields;
    constructor(job, fields) {
        super(`Payload of '${job}' does not fit: ${fields.join("; ")}`);
        this.fields = fields;
    }
}
/** Check a payload, and give what is to be sent. @throws InvalidPayload */
export function check(job, payload) {
    return checked(job, payload, []);
}
/** As `check`, of the payload that stands at `place` in what the caller gave. @throws InvalidPayload */
export function checked(job, payload, place) {
    const hidden = hiddenEntry(payload);
    if (hidden !== undefined)
        throw new InvalidPayload(job.name, [said([...place, ...hidden], HIDDEN)]);
    const found = job.payload.safeParse(payload);
    if (found.success)
        return found.data;
    throw new InvalidPayload(job.name, found.error.issues.map((issue) => line(place, issue)));
}
const HIDDEN = "an entry of this name would be lost on the way";
/** The place of an entry that is called as what objects inherit from; `JSON.parse` makes such ones. */
function hiddenEntry(value) {
    if (typeof value !== "object" || value === null)
        return undefined;
    if (Object.hasOwn(value, "__proto__"))
        return ["__proto__"];
    for (const [name, inner] of Object.entries(value)) {
        const place = hiddenEntry(inner);
        if (place !== undefined)
            return [Array.isArray(value) ? Number(name) : name, ...place];
    }
    return undefined;
}
function line(place, issue) {
    const path = [...place, ...issue.path];
    // Of a union: why the form did not fit that went furthest.
    if (issue.code === "invalid_union" && issue.errors.length > 0) {
        const [furthest] = issue.errors.flatMap((form) => form).sort((one, other) => depth(other) - depth(one));
        if (furthest !== undefined && furthest.path.length > 0)
            return line(path, furthest);
        return said(path, [...new Set(issue.errors.flatMap((form) => form.map((it) => it.message)))].join(", or: "));
    }
    return said(path, issue.message);
}
function depth(issue) {
    return issue.path.length;
}
function said(path, message) {
    const text = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
    return text === "" ? message : `${text.replace(/^\./, "")}: ${message}`;
}
