/** A value that cannot be printed by accident. */

/**
 * Holds a secret string. Printing, serialising or inspecting it shows `[secret]`; only `reveal()` gives the value, so that
 * every use can be found by searching for that word.
 *
 * @example
 * ```ts
 * import { Secret } from "./secret.ts";
 * const key = new Secret("hunter2");
 * console.assert(`${key}` === "[secret]" && JSON.stringify({ key }) === '{"key":"[secret]"}');
 * ```
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  static {
    // What Node, Deno and Bun ask for a printable form.
    Object.defineProperty(Secret.prototype, Symbol.for("nodejs.util.inspect.custom"), { value: () => "[secret]" });
  }
}
