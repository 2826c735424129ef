/** Checks of values that JSON has no type for. What a worker in Python reads is decided there; these refuse early. */
import * as z from "zod";

/** So many characters as Python counts them: an emoji is one, not two. */
const characters = (text: string): number => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};

/** Longer texts are matched by the worker alone, in linear time: JavaScript needs the square of it, or more. */
const LONGEST_MATCHED = 1_000;

/** A text of a certain length, or of a certain form. */
export function text(bounds: { min?: number; max?: number; pattern?: RegExp }): z.ZodString {
  const { min = 0, max = Infinity, pattern } = bounds;
  let check = z.string();
  if (min > 0) check = check.refine((it) => characters(it) >= min, `expected ${min} or more characters`);
  if (max < Infinity) check = check.refine((it) => characters(it) <= max, `expected ${max} or fewer characters`);
  if (pattern === undefined) return check;
  return check.refine((it) => it.length > LONGEST_MATCHED || pattern.test(it), `Invalid string: must match pattern ${pattern}`);
}

/** A moment: a text as ISO 8601 has it, or a `Date`, which becomes one. */
export const moment: z.ZodType<string, string | Date> = z.union([
  z.iso.datetime({ offset: true, local: true }),
  // Python has no other years.
  z.date().min(new Date("0001-01-01T00:00:00Z")).max(new Date("9999-12-31T23:59:59.999Z")).transform((it) => it.toISOString()),
]);

/** A decimal number as a text, of any size and precision. */
export const decimal: z.ZodType<string, string> = z
  .string()
  .regex(/^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$/, "expected a decimal number");

/** A whole number that JavaScript holds exactly. */
export const whole: z.ZodNumber = z
  .number()
  .refine((it) => Number.isInteger(it), "expected a whole number")
  .refine((it) => Math.abs(it) <= Number.MAX_SAFE_INTEGER, "JavaScript rounds whole numbers beyond 2^53 - 1");

/** Any value of JSON, and not a missing one. */
export const anything: z.ZodType<unknown, unknown> = z.unknown().refine((it) => it !== undefined, "expected a value");

/** An object with so many fields, whatever their names. */
export function sized<T extends z.ZodType>(check: T, bounds: { min?: number; max?: number }): T {
  const { min = 0, max = Infinity } = bounds;
  const fits = (it: unknown): boolean => {
    const count = Object.keys(it as object).length;
    return min <= count && count <= max;
  };
  return check.refine(fits, `expected ${min} to ${max} entries`) as T;
}
