/** The form in which the service model is kept: shapes by name, without documentation. */

/** A shape; `t` says its type, the rest depends on it. */
export type Shape =
  | StructureShape
  | { readonly t: "list"; readonly of: string; readonly min?: number; readonly max?: number }
  | { readonly t: "map"; readonly key: string; readonly of: string; readonly min?: number; readonly max?: number }
  | StringShape
  | { readonly t: "integer" | "long"; readonly min?: number; readonly max?: number }
  | { readonly t: "boolean" | "blob" | "timestamp" | "double" };

export interface StructureShape {
  readonly t: "structure";
  /** Member name → shape name. */
  readonly of: Readonly<Record<string, string>>;
  /** Names of required members. */
  readonly required?: readonly string[];
}

export interface StringShape {
  readonly t: "string";
  readonly min?: number;
  readonly max?: number;
  /** Must match the whole string, with JavaScript's `u` flag. */
  readonly pattern?: string;
  readonly enum?: readonly string[];
}

/** Both services' operations and every shape that a request can contain. */
export interface Model {
  /** Wire target → name of the input's shape. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly shapes: Readonly<Record<string, Shape>>;
}
