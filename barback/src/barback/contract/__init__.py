"""The contract of an app as a TypeScript package. Pure: an app in, texts of files out.

gathering.py   what is declared of a job: schemas of its payload and its result, options, the key it is unique by
names.py       names that TypeScript takes
types.py       JSON Schema → TypeScript types
checks.py      JSON Schema → Zod checks; patterns.py: regular expressions, where both languages mean the same
modules.py     a job's module: `jobs/update-cafe-stats.js` and its types
package.py     the folder
runtime/       what is the same for every app, written in TypeScript (client.ts, values.ts), with what `tsc` makes of it
"""
