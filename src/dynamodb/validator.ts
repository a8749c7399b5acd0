/** Compiles the model's shapes into validators: strict ones, for which what the model does not name does not exist. */

import { type JsonObject, type JsonValue, LazyObject } from "../base/json.ts";
import { attributeValueFault, binaryFault, typeWords } from "./attribute-value.ts";
import { MEANINGS, VALUES } from "./catalogue/members.ts";
import { constraint, type Fault, invalid, unreadable } from "./fault.ts";
import { MODEL } from "./model.ts";
import { printable } from "./request-error.ts";
import type { Shape, StringShape, StructureShape } from "./model-types.ts";

/** Finds what is wrong with a value; undefined when it is sound. */
export interface Validator {
  (value: JsonValue): Fault | undefined;
  /** Of lists: the same of a member of a large object, reading one element after another without building the list. */
  readonly inLarge?: (object: LazyObject, member: string) => Fault | undefined;
}

/**
 * Elements of a list, or entries of a map, that have no bound of their own in the model and are no item. DynamoDB takes
 * far fewer; 16 MB of them, built, would take half a gigabyte.
 */
const MOST_PARTS = 10_000;

/** Compiles shapes when they are first asked for, and keeps them. */
export class Validators {
  readonly #compiled = new Map<string, Validator>();
  readonly #shapes: Readonly<Record<string, Shape>>;

  /** `shapes` is the model's; whatever it has, only what is annotated is taken. */
  constructor(shapes: Readonly<Record<string, Shape>> = MODEL.shapes) {
    this.#shapes = shapes;
  }

  /** The validator of a shape of the model. */
  of(name: string): Validator {
    const known = this.#compiled.get(name);
    if (known !== undefined) return known;
    const shape = this.#shapes[name];
    if (shape === undefined) throw new TypeError(`Cannot validate: the model has no shape "${name}"`);
    const validator = this.#compile(name, shape);
    this.#compiled.set(name, validator);
    return validator;
  }

  #compile(name: string, shape: Shape): Validator {
    if (name === "AttributeValue") return (value) => attributeValueFault(value);
    switch (shape.t) {
      case "structure":
        return this.#structure(name, shape);
      case "list": {
        return listValidator(this.of(shape.of), shape.min, shape.max ?? MOST_PARTS);
      }
      case "map":
        return this.#map(name, shape);
      case "string":
        return stringValidator(annotated(name, shape));
      case "integer":
      case "long":
        return (value) => integerFault(value, shape);
      case "double":
        return (value) => (typeof value === "number" ? undefined : unreadable(typeWords(value, "Double")));
      case "timestamp":
        return (value) => (typeof value === "number" ? undefined : unreadable(typeWords(value, "Date")));
      case "boolean":
        return (value) => (typeof value === "boolean" ? undefined : unreadable(typeWords(value, "Boolean")));
      case "blob":
        return binaryFault;
    }
  }

  #structure(name: string, shape: StructureShape): Validator {
    const members = new Map<string, Validator>();
    const meanings = MEANINGS.get(name);
    for (const [member, of] of Object.entries(shape.of)) {
      if (meanings?.has(member) !== true) continue;
      const validator = this.of(of);
      members.set(member, member.endsWith("Expression") ? expressionValidator(member, validator) : validator);
    }
    const required = shape.required ?? [];
    const several = EXACTLY_ONE.get(name);
    return (value) => {
      if (!(value instanceof Map)) return unreadable(typeWords(value, name));
      const object = value as JsonObject;
      for (const member of object.keys()) {
        const validator = members.get(member);
        if (validator === undefined)
          return unreadable(`${name} has no such member; names are case-sensitive`).under({ member });
        const fault = faultAt(object, member, validator);
        if (fault !== undefined) return fault.under({ member });
      }
      for (const member of required) {
        if (!object.has(member)) return constraint(null, "not be null").under({ member });
      }
      return several === undefined || object.size === 1 ? undefined : invalid(several);
    };
  }

  #map(name: string, shape: Extract<Shape, { t: "map" }>): Validator {
    const key = this.of(shape.key);
    const content = this.of(shape.of);
    const names = shape.key === "AttributeName";
    const prefix = PLACEHOLDERS.get(shape.key);
    const parameter = name.replace(/Map$/, "s");
    const max = shape.max ?? (names && shape.of === "AttributeValue" ? undefined : MOST_PARTS);
    const nameFault = (member: string): Fault | undefined => {
      if (member === "__type" && !names) return unreadable(`"__type" can only be the name of an attribute`);
      if (prefix !== undefined && !(member.startsWith(prefix) && member.length > 1)) {
        return invalid(`${parameter} contains invalid key: Syntax error; key: "${printable(member)}"`);
      }
      return key(member);
    };
    return (value) => {
      if (!(value instanceof Map)) return unreadable(typeWords(value, "Map"));
      const object = value as JsonObject;
      const size = sizeFault(object.size, shape.min, max);
      if (size !== undefined) return size;
      if (object instanceof LazyObject && content.inLarge !== undefined) {
        for (const member of object.keys()) {
          const fault = nameFault(member) ?? content.inLarge(object, member);
          if (fault !== undefined) return fault.under({ key: member });
        }
        return undefined;
      }
      for (const [member, element] of object) {
        const fault = nameFault(member) ?? content(element);
        if (fault !== undefined) return fault.under({ key: member });
      }
      return undefined;
    };
  }
}

const PLACEHOLDERS: ReadonlyMap<string, string> = new Map([
  ["ExpressionAttributeNameVariable", "#"],
  ["ExpressionAttributeValueVariable", ":"],
]);

/** Structures of which exactly one member is set, and what DynamoDB says otherwise. */
const EXACTLY_ONE: ReadonlyMap<string, string> = new Map([
  ["WriteRequest", "Supplied WriteRequest must contain exactly one of PutRequest and DeleteRequest"],
  ["TransactWriteItem", "TransactItems can only contain one of Check, Put, Update or Delete"],
]);

const LONGEST_EXPRESSION = 4096;

function expressionValidator(member: string, validator: Validator): Validator {
  return (value) => {
    const fault = validator(value);
    if (fault !== undefined || typeof value !== "string") return fault;
    if (value === "") return invalid(`Invalid ${member}: The expression can not be empty;`);
    // A UTF-16 unit is at least one byte and at most three.
    const size = value.length * 3 <= LONGEST_EXPRESSION ? 0 : new TextEncoder().encode(value).length;
    if (size <= LONGEST_EXPRESSION) return undefined;
    return invalid(
      `Invalid ${member}: Expression size has exceeded the maximum allowed size; expression size: ${size}`,
    );
  };
}

/** An enumeration without the values that nothing here knows. */
function annotated(name: string, shape: StringShape): StringShape {
  const known = VALUES.get(name);
  return known === undefined || shape.enum === undefined
    ? shape
    : { ...shape, enum: shape.enum.filter((value) => known.includes(value)) };
}

function stringValidator(shape: StringShape): Validator {
  const values = shape.enum === undefined ? undefined : new Set(shape.enum);
  const pattern = shape.pattern === undefined ? undefined : new RegExp(`^(?:${shape.pattern})$`, "u");
  return (value) => {
    if (typeof value !== "string") return unreadable(typeWords(value, "String"));
    if (shape.min !== undefined && value.length < shape.min) {
      return constraint(value, `have length greater than or equal to ${shape.min}`);
    }
    if (shape.max !== undefined && value.length > shape.max) {
      return constraint(value, `have length less than or equal to ${shape.max}`);
    }
    if (values !== undefined && !values.has(value)) {
      return constraint(value, `satisfy enum value set: [${[...values].join(", ")}]`);
    }
    if (pattern !== undefined && !pattern.test(value)) {
      return constraint(value, `satisfy regular expression pattern: ${shape.pattern ?? ""}`);
    }
    return undefined;
  };
}

function integerFault(value: JsonValue, shape: Extract<Shape, { t: "integer" | "long" }>): Fault | undefined {
  if (typeof value !== "number" || !Number.isInteger(value)) {
    return unreadable(typeWords(value, shape.t === "integer" ? "Integer" : "Long"));
  }
  if (shape.t === "integer" && (value > 0x7fffffff || value < -0x80000000)) {
    return unreadable("NUMBER_VALUE cannot be converted to Integer");
  }
  if (shape.min !== undefined && value < shape.min) {
    return constraint(value, `have value greater than or equal to ${shape.min}`);
  }
  if (shape.max !== undefined && value > shape.max) {
    return constraint(value, `have value less than or equal to ${shape.max}`);
  }
  return undefined;
}

/** What is wrong with the value of a member. */
function faultAt(object: JsonObject, member: string, validator: Validator): Fault | undefined {
  if (object instanceof LazyObject && validator.inLarge !== undefined) return validator.inLarge(object, member);
  return validator(object.get(member) as JsonValue);
}

function listValidator(element: Validator, min: number | undefined, max: number): Validator {
  const whole = (value: JsonValue): Fault | undefined => {
    if (!Array.isArray(value)) return unreadable(typeWords(value, "List"));
    const size = sizeFault(value.length, min, max);
    if (size !== undefined) return size;
    for (let index = 0; index < value.length; index++) {
      const fault = element(value[index] as JsonValue);
      if (fault !== undefined) return fault.under({ index });
    }
    return undefined;
  };
  const inLarge = (object: LazyObject, member: string): Fault | undefined => {
    let index = 0;
    for (const value of object.elements(member)) {
      const fault = index === max ? sizeFault(index + 1, min, max) : element(value)?.under({ index });
      if (fault !== undefined) return fault;
      index += 1;
    }
    // No element at all: it is empty, or no list.
    return index === 0 ? whole(object.get(member) as JsonValue) : sizeFault(index, min, max);
  };
  return Object.assign(whole, { inLarge });
}

function sizeFault(size: number, min?: number, max?: number): Fault | undefined {
  if (min !== undefined && size < min) return constraint(undefined, `have length greater than or equal to ${min}`);
  if (max !== undefined && size > max) return constraint(undefined, `have length less than or equal to ${max}`);
  return undefined;
}
