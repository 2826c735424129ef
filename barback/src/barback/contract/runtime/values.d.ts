/** Checks of values that JSON has no type for. What a worker in Python reads is decided there; these refuse early. */
import * as z from "zod";
/** A text of a certain length, or of a certain form. */
export declare function text(bounds: {
    min?: number;
    max?: number;
    pattern?: RegExp;
}): z.ZodString;
/** A moment: a text as ISO 8601 has it, or a `Date`, which becomes one. */
export declare const moment: z.ZodType<string, string | Date>;
/** A decimal number as a text, of any size and precision. */
export declare const decimal: z.ZodType<string, string>;
/** A whole number that JavaScript holds exactly. */
export declare const whole: z.ZodNumber;
/** Any value of JSON, and not a missing one. */
export declare const anything: z.ZodType<unknown, unknown>;
/** An object with so many fields, whatever their names. */
export declare function sized<T extends z.ZodType>(check: T, bounds: {
    min?: number;
    max?: number;
}): T;
