/** DynamoDB's numbers: decimal texts of up to 38 digits, never turned into a JavaScript number. */

/** Why a text is no number that DynamoDB holds. */
export type NumberFault = "not_a_number" | "too_precise" | "too_large" | "too_small";

/** A number in parts: ±0.DIGITS × 10^POINT; no leading or trailing zeros, no digits at all for zero. */
export interface DecimalNumber {
  readonly negative: boolean;
  readonly digits: string;
  readonly point: number;
}

const PRECISION = 38;
/** Powers of ten of the first digit: 9.99…E+125 is the largest magnitude, 1E−130 the smallest. */
const LARGEST_POWER = 125;
const SMALLEST_POWER = -130;
/** No number that DynamoDB holds needs more; a longer text can only be padding. */
const LONGEST_TEXT = 1000;
const FORM = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?$/;

/** Reads a number without ever writing out its exponent, however large. */
export function parseNumber(text: string): DecimalNumber | NumberFault {
  if (text.length > LONGEST_TEXT) return "not_a_number";
  const match = FORM.exec(text);
  if (match === null) return "not_a_number";
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  const all = whole + fraction;
  if (all === "") return "not_a_number";
  let first = 0;
  while (first < all.length && all.charCodeAt(first) === ZERO) first += 1;
  if (first === all.length) return { negative: false, digits: "", point: 0 };
  let last = all.length;
  while (all.charCodeAt(last - 1) === ZERO) last -= 1;
  if (last - first > PRECISION) return "too_precise";
  const point = whole.length - first + Number(exponent);
  if (point - 1 > LARGEST_POWER) return "too_large";
  if (point - 1 < SMALLEST_POWER) return "too_small";
  return { negative: sign === "-", digits: all.slice(first, last), point };
}

/** The one plain decimal text of a number, so that `1e3` and `+1000.0` compare equal; undefined for no number. */
export function canonicalNumber(text: string): string | undefined {
  const number = parseNumber(text);
  if (typeof number === "string") return undefined;
  const { negative, digits, point } = number;
  if (digits === "") return "0";
  const sign = negative ? "-" : "";
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  if (point >= digits.length) return `${sign}${digits}${"0".repeat(point - digits.length)}`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

const ZERO = 0x30;
