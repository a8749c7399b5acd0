/** What a validator found wrong and where; turned into an error in DynamoDB's words at the very end. */

import { printable, RequestError, type RequestErrorType } from "./request-error.ts";

/** One step of a path: a member's name, an element's number, or a map's key. */
export type Step = { readonly member: string } | { readonly index: number } | { readonly key: string };

/** A finding. Containers put their own step before its path as it travels outwards: a sound request pays for none. */
export class Fault {
  readonly #type: RequestErrorType;
  readonly #say: (path: string) => string;
  readonly #steps: Step[] = [];

  /** `say` gets the path as AWS writes it: `transactItems.1.member.put.tableName`. */
  constructor(type: RequestErrorType, say: (path: string) => string) {
    this.#type = type;
    this.#say = say;
  }

  under(step: Step): this {
    this.#steps.unshift(step);
    return this;
  }

  toError(): RequestError {
    return new RequestError(this.#type, this.#say(awsPath(this.#steps)), parameterPath(this.#steps));
  }
}

/** A value breaks a limit of the model. `value` is null when it is absent, undefined when it must not be repeated. */
export function constraint(value: string | number | null | undefined, rule: string): Fault {
  const said = value === null ? "Value null" : value === undefined ? "Value" : `Value '${printable(String(value))}'`;
  return new Fault(
    "ValidationException",
    (path) => `1 validation error detected: ${said} at '${path}' failed to satisfy constraint: Member must ${rule}`,
  );
}

/** Something is said to be invalid as a whole sentence. */
export function invalid(message: string): Fault {
  return new Fault("ValidationException", () => message);
}

/** The JSON has another form than the model. */
export function unreadable(message: string): Fault {
  return new Fault("SerializationException", (path) => (path === "" ? message : `${message} (at '${path}')`));
}

function awsPath(steps: readonly Step[]): string {
  return steps
    .map((step) => {
      if ("index" in step) return `${step.index + 1}.member`;
      if ("key" in step) return `${printable(step.key)}.member`;
      return step.member.charAt(0).toLowerCase() + step.member.slice(1);
    })
    .join(".");
}

function parameterPath(steps: readonly Step[]): string {
  let path = "";
  for (const step of steps) {
    if ("index" in step) path += `[${step.index}]`;
    else path += `${path === "" ? "" : "."}${"key" in step ? printable(step.key) : step.member}`;
  }
  return path;
}
