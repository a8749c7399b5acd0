/** What expressions say, with every name and value resolved. Legacy parameters and PartiQL become the same trees. */

import type { JsonObject } from "../../base/json.ts";
import type { DocumentPath } from "../document-path.ts";

/** A value in DynamoDB's own form, `{"S": "x"}`. */
export type AttributeValue = JsonObject;

export type Operand =
  | { readonly kind: "path"; readonly path: DocumentPath }
  | { readonly kind: "value"; readonly value: AttributeValue }
  /** `size(path)`, a number. */
  | { readonly kind: "size"; readonly of: Operand };

export type Comparator = "=" | "<>" | "<" | "<=" | ">" | ">=";

export type ConditionFunction =
  | "attribute_exists"
  | "attribute_not_exists"
  | "attribute_type"
  | "begins_with"
  | "contains";

/** A condition, a filter or a key condition. `and` and `or` have two members or more. */
export type Condition =
  | { readonly kind: "and" | "or"; readonly of: readonly Condition[] }
  | { readonly kind: "not"; readonly of: Condition }
  | { readonly kind: "comparison"; readonly comparator: Comparator; readonly left: Operand; readonly right: Operand }
  | { readonly kind: "between"; readonly operand: Operand; readonly low: Operand; readonly high: Operand }
  | { readonly kind: "in"; readonly operand: Operand; readonly list: readonly Operand[] }
  | { readonly kind: "function"; readonly name: ConditionFunction; readonly arguments: readonly Operand[] };

/** What SET assigns. */
export type SetValue =
  | { readonly kind: "path"; readonly path: DocumentPath }
  | { readonly kind: "value"; readonly value: AttributeValue }
  | { readonly kind: "if_not_exists"; readonly path: DocumentPath; readonly otherwise: SetValue }
  | { readonly kind: "list_append"; readonly left: SetValue; readonly right: SetValue }
  | { readonly kind: "sum"; readonly operator: "+" | "-"; readonly left: SetValue; readonly right: SetValue };

export type UpdateAction =
  | { readonly kind: "set"; readonly path: DocumentPath; readonly value: SetValue }
  | { readonly kind: "remove"; readonly path: DocumentPath }
  /** ADD to a number or a set, DELETE from a set. */
  | { readonly kind: "add" | "delete"; readonly path: DocumentPath; readonly value: AttributeValue };

/** The actions of an update in the order written. */
export type Update = readonly UpdateAction[];

/** The paths of a projection in the order written. */
export type Projection = readonly DocumentPath[];
