/** What a PartiQL statement says, with its parameters in place. */

import type { DocumentPath } from "../document-path.ts";
import type { AttributeValue, Comparator, ConditionFunction } from "../expressions/ast.ts";

export type PartiqlStatement = SelectStatement | InsertStatement | UpdateStatement | DeleteStatement;

export interface SelectStatement {
  readonly kind: "select";
  /** True for `EXISTS(SELECT …)`, the condition check of transactions. */
  readonly exists: boolean;
  readonly table: string;
  readonly index: string | null;
  /** `all` for `*`. */
  readonly projection: "all" | readonly DocumentPath[];
  readonly where: PartiqlCondition | null;
  readonly orderBy: readonly DocumentPath[];
}

export interface InsertStatement {
  readonly kind: "insert";
  readonly table: string;
  /** The item's top-level attributes. */
  readonly item: ReadonlyMap<string, AttributeValue>;
}

export interface UpdateStatement {
  readonly kind: "update";
  readonly table: string;
  readonly set: readonly { readonly path: DocumentPath; readonly value: PartiqlOperand }[];
  readonly remove: readonly DocumentPath[];
  readonly where: PartiqlCondition | null;
  readonly returning: Returning;
}

export interface DeleteStatement {
  readonly kind: "delete";
  readonly table: string;
  readonly where: PartiqlCondition | null;
  readonly returning: Returning;
}

/** What RETURNING asks for, in the words of `ReturnValues`. */
export type Returning = "NONE" | "ALL_OLD" | "ALL_NEW" | "UPDATED_OLD" | "UPDATED_NEW";

/** An operand: a path, a literal or bound parameter, or a call or arithmetic over operands. */
export type PartiqlOperand =
  | { readonly kind: "path"; readonly path: DocumentPath }
  | { readonly kind: "value"; readonly value: AttributeValue }
  | { readonly kind: "call"; readonly name: string; readonly arguments: readonly PartiqlOperand[] }
  | {
      readonly kind: "arithmetic";
      readonly operator: "+" | "-";
      readonly left: PartiqlOperand;
      readonly right: PartiqlOperand;
    };

export type PartiqlCondition =
  | { readonly kind: "and" | "or"; readonly of: readonly PartiqlCondition[] }
  | { readonly kind: "not"; readonly of: PartiqlCondition }
  | {
      readonly kind: "comparison";
      readonly comparator: Comparator;
      readonly left: PartiqlOperand;
      readonly right: PartiqlOperand;
    }
  | {
      readonly kind: "between";
      readonly operand: PartiqlOperand;
      readonly low: PartiqlOperand;
      readonly high: PartiqlOperand;
    }
  | { readonly kind: "in"; readonly operand: PartiqlOperand; readonly list: readonly PartiqlOperand[] }
  | { readonly kind: "missing" | "null"; readonly operand: PartiqlOperand; readonly negated: boolean }
  | { readonly kind: "function"; readonly name: ConditionFunction; readonly arguments: readonly PartiqlOperand[] };
