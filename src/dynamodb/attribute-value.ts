/** Validates one attribute value: exactly one type tag, and a value that its type can hold. */

import { type JsonObject, type JsonValue, LazyObject } from "../base/json.ts";
import { type Fault, invalid, unreadable } from "./fault.ts";
import { type NumberFault, parseNumber } from "./number.ts";

/** How deep lists and maps may stand inside each other. */
export const LARGEST_NESTING = 32;

/** Finds what is wrong with an attribute value; undefined when it is sound. */
export function attributeValueFault(value: JsonValue, nesting: number = 0): Fault | undefined {
  if (!(value instanceof Map)) return unreadable(typeWords(value, "AttributeValue"));
  const object = value as JsonObject;
  if (object instanceof LazyObject) return largeValueFault(object, nesting);
  if (object.size === 0) {
    return invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
  }
  for (const [tag, content] of object) {
    const fault = contentFault(tag, content, nesting);
    if (fault !== undefined) return fault.under({ member: tag });
  }
  return object.size > 1 ? severalTypes() : undefined;
}

/**
 * A sound value of a large request as far as accesses turn on it: of a list, a map or a set, which no key is, the type alone.
 * Thousands of them, held while a request is understood, would take twenty times the memory of their text.
 */
export function withoutParts(value: JsonObject): JsonObject {
  // By the tag alone: to look at the content of a large one would build it.
  for (const tag of value.keys()) if (!TEXTS.has(tag)) return new Map([[tag, true]]);
  return value;
}

/** Tags of values that are one text. */
const TEXTS: ReadonlySet<string> = new Set(["S", "N", "B"]);

function severalTypes(): Fault {
  return invalid(
    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
  );
}

/** A large list or set is looked at element by element: built whole, it would take many times the memory of its text. */
function largeValueFault(object: LazyObject, nesting: number): Fault | undefined {
  for (const tag of object.keys()) {
    const elementFault = ELEMENTS.get(tag);
    const fault =
      elementFault === undefined
        ? contentFault(tag, object.get(tag) as JsonValue, nesting)
        : largeListFault(tag, object, nesting + 1, elementFault);
    if (fault !== undefined) return fault.under({ member: tag });
  }
  return object.size > 1 ? severalTypes() : undefined;
}

type ElementFault = (element: JsonValue, nesting: number) => Fault | undefined;

const ELEMENTS: ReadonlyMap<string, ElementFault> = new Map<string, ElementFault>([
  ["L", attributeValueFault],
  ["SS", stringFault],
  ["NS", numberFault],
  ["BS", binaryFault],
]);

function largeListFault(tag: string, object: LazyObject, nesting: number, fault: ElementFault): Fault | undefined {
  if (tag === "L" && nesting > LARGEST_NESTING) return tooDeep();
  let index = 0;
  for (const element of object.elements(tag)) {
    const found = fault(element, nesting);
    if (found !== undefined) return found.under({ index });
    index += 1;
  }
  // No element at all: it is empty, or no list.
  return index === 0 ? contentFault(tag, object.get(tag) as JsonValue, nesting - 1) : undefined;
}

function contentFault(tag: string, content: JsonValue, nesting: number): Fault | undefined {
  switch (tag) {
    case "S":
      return stringFault(content);
    case "N":
      return numberFault(content);
    case "B":
      return binaryFault(content);
    case "BOOL":
      return typeof content === "boolean" ? undefined : unreadable(typeWords(content, "Boolean"));
    case "NULL":
      if (typeof content !== "boolean") return unreadable(typeWords(content, "Boolean"));
      if (content) return undefined;
      return invalid(
        "One or more parameter values were invalid: Null attribute value types must have the value of true",
      );
    case "SS":
      return setFault(content, stringFault, "An string set  may not be empty");
    case "NS":
      return setFault(content, numberFault, "An number set  may not be empty");
    case "BS":
      return setFault(content, binaryFault, "Binary sets should not be empty");
    case "M":
      return mapFault(content, nesting + 1);
    case "L":
      return listFault(content, nesting + 1);
    default:
      return unreadable("An attribute value has an unknown type");
  }
}

function mapFault(content: JsonValue, nesting: number): Fault | undefined {
  if (!(content instanceof Map)) return unreadable(typeWords(content, "Map"));
  if (nesting > LARGEST_NESTING) return tooDeep();
  for (const [name, value] of content as JsonObject) {
    const fault = attributeValueFault(value, nesting);
    if (fault !== undefined) return fault.under({ key: name });
  }
  return undefined;
}

function listFault(content: JsonValue, nesting: number): Fault | undefined {
  if (!Array.isArray(content)) return unreadable(typeWords(content, "List"));
  if (nesting > LARGEST_NESTING) return tooDeep();
  return elementsFault(content, (element) => attributeValueFault(element, nesting));
}

function tooDeep(): Fault {
  return invalid("Nesting Levels have exceeded supported limits: Attributes have nested levels over 32");
}

function setFault(
  content: JsonValue,
  fault: (element: JsonValue) => Fault | undefined,
  empty: string,
): Fault | undefined {
  if (!Array.isArray(content)) return unreadable(typeWords(content, "List"));
  if (content.length === 0) return invalid(`One or more parameter values were invalid: ${empty}`);
  return elementsFault(content, fault);
}

function elementsFault(
  elements: readonly JsonValue[],
  faultOf: (element: JsonValue) => Fault | undefined,
): Fault | undefined {
  for (const [index, element] of elements.entries()) {
    const fault = faultOf(element);
    if (fault !== undefined) return fault.under({ index });
  }
  return undefined;
}

const NUMBER_SENTENCES: Readonly<Record<NumberFault, string>> = {
  not_a_number: "The parameter cannot be converted to a numeric value",
  too_precise: "Attempting to store more than 38 significant digits in a Number",
  too_large: "Number overflow. Attempting to store a number with magnitude larger than supported range",
  too_small: "Number underflow. Attempting to store a number with magnitude smaller than supported range",
};

function stringFault(content: JsonValue): Fault | undefined {
  return typeof content === "string" ? undefined : unreadable(typeWords(content, "String"));
}

function numberFault(content: JsonValue): Fault | undefined {
  if (typeof content !== "string") return unreadable(typeWords(content, "String"));
  const number = parseNumber(content);
  return typeof number === "string" ? invalid(NUMBER_SENTENCES[number]) : undefined;
}

/** Finds what is wrong with base64 text: padded, and its unused bits zero, so that the same bytes have one spelling. */
export function binaryFault(content: JsonValue): Fault | undefined {
  if (typeof content !== "string") return unreadable(typeWords(content, "Blob"));
  const length = content.length;
  if (length % 4 !== 0) {
    return unreadable(`Base64 encoded length is expected a multiple of 4 bytes but found: ${length}`);
  }
  let end = length;
  if (content.endsWith("==")) end = length - 2;
  else if (content.endsWith("=")) end = length - 1;
  // A search for what may not be there takes a third of the time of a loop over the characters.
  if (NOT_BASE64.test(content.slice(0, end))) return unreadable("Invalid Base64 character found");
  const last = end === 0 ? 0 : sextet(content.charCodeAt(end - 1));
  const unused = end === length ? 0 : end === length - 1 ? 0b11 : 0b1111;
  return (last & unused) === 0
    ? undefined
    : unreadable("Invalid Base64: the unused bits of the last character are set");
}

const NOT_BASE64 = /[^A-Za-z0-9+/]/;

/** The six bits of a character of base64. */
function sextet(code: number): number {
  if (code >= 0x41 && code <= 0x5a) return code - 0x41;
  if (code >= 0x61 && code <= 0x7a) return code - 0x61 + 26;
  if (code >= 0x30 && code <= 0x39) return code - 0x30 + 52;
  return code === 0x2b ? 62 : 63;
}

/** What DynamoDB says when JSON of one type stands where another is expected. */
export function typeWords(value: JsonValue, wanted: string): string {
  if (value === null) return "An explicit null stands where a value is expected";
  if (typeof value === "boolean") return `${value ? "TRUE_VALUE" : "FALSE_VALUE"} cannot be converted to ${wanted}`;
  if (typeof value === "string") return `STRING_VALUE cannot be converted to ${wanted}`;
  if (typeof value === "number") {
    return `${Number.isInteger(value) ? "NUMBER_VALUE" : "DECIMAL_VALUE"} cannot be converted to ${wanted}`;
  }
  if (Array.isArray(value)) return "Start of list found where not expected";
  return "Start of structure or map found where not expected";
}
