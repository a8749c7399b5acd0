/** Writes trees as expressions again, with a placeholder for every name and value. */

import type { DocumentPath } from "../document-path.ts";
import type { AttributeValue, Condition, Operand, Projection, SetValue, Update, UpdateAction } from "./ast.ts";

/** An expression and what its placeholders stand for. */
export interface Printed {
  readonly expression: string;
  readonly names: ReadonlyMap<string, string>;
  readonly values: ReadonlyMap<string, AttributeValue>;
}

/** Parsing what is printed gives the same tree. */
export function printProjection(projection: Projection): Printed {
  return printedWith((printer) => projection.map((path) => printer.path(path)).join(", "));
}

/** Parsing what is printed gives the same tree. */
export function printCondition(condition: Condition): Printed {
  return printedWith((printer) => printer.condition(condition));
}

/** Parsing what is printed gives the same actions, those of each clause together. */
export function printUpdate(update: Update): Printed {
  return printedWith((printer) => printer.update(update));
}

function printedWith(print: (printer: Printer) => string): Printed {
  const printer = new Printer();
  const expression = print(printer);
  return { expression, names: printer.names, values: printer.values };
}

const CLAUSES: readonly (readonly [UpdateAction["kind"], string])[] = [
  ["set", "SET"],
  ["remove", "REMOVE"],
  ["add", "ADD"],
  ["delete", "DELETE"],
];

class Printer {
  readonly names = new Map<string, string>();
  readonly values = new Map<string, AttributeValue>();
  readonly #placeholders = new Map<string, string>();

  path(path: DocumentPath): string {
    return path
      .map((step, at) => (typeof step === "number" ? `[${step}]` : `${at === 0 ? "" : "."}${this.#name(step)}`))
      .join("");
  }

  condition(condition: Condition): string {
    switch (condition.kind) {
      case "and":
      case "or":
        return condition.of.map((part) => this.#part(part)).join(` ${condition.kind.toUpperCase()} `);
      case "not":
        return `NOT ${this.#part(condition.of)}`;
      case "comparison":
        return `${this.#operand(condition.left)} ${condition.comparator} ${this.#operand(condition.right)}`;
      case "between": {
        const { operand, low, high } = condition;
        return `${this.#operand(operand)} BETWEEN ${this.#operand(low)} AND ${this.#operand(high)}`;
      }
      case "in":
        return `${this.#operand(condition.operand)} IN (${this.#operands(condition.list)})`;
      case "function":
        return `${condition.name}(${this.#operands(condition.arguments)})`;
    }
  }

  update(update: Update): string {
    const clauses: string[] = [];
    for (const [kind, word] of CLAUSES) {
      const actions = update.filter((action) => action.kind === kind).map((action) => this.#action(action));
      if (actions.length > 0) clauses.push(`${word} ${actions.join(", ")}`);
    }
    return clauses.join(" ");
  }

  /** A condition inside another: in parentheses when it has parts that could be taken for its neighbour's. */
  #part(condition: Condition): string {
    const text = this.condition(condition);
    return condition.kind === "and" || condition.kind === "or" || condition.kind === "not" ? `(${text})` : text;
  }

  #operands(operands: readonly Operand[]): string {
    return operands.map((operand) => this.#operand(operand)).join(", ");
  }

  #operand(operand: Operand): string {
    if (operand.kind === "path") return this.path(operand.path);
    return operand.kind === "value" ? this.#value(operand.value) : `size(${this.#operand(operand.of)})`;
  }

  #action(action: UpdateAction): string {
    const path = this.path(action.path);
    if (action.kind === "remove") return path;
    return action.kind === "set" ? `${path} = ${this.#setValue(action.value)}` : `${path} ${this.#value(action.value)}`;
  }

  #setValue(value: SetValue): string {
    switch (value.kind) {
      case "path":
        return this.path(value.path);
      case "value":
        return this.#value(value.value);
      case "if_not_exists":
        return `if_not_exists(${this.path(value.path)}, ${this.#setValue(value.otherwise)})`;
      case "list_append":
        return `list_append(${this.#setValue(value.left)}, ${this.#setValue(value.right)})`;
      case "sum":
        return `${this.#term(value.left)} ${value.operator} ${this.#term(value.right)}`;
    }
  }

  #term(value: SetValue): string {
    const text = this.#setValue(value);
    return value.kind === "sum" ? `(${text})` : text;
  }

  #name(name: string): string {
    let placeholder = this.#placeholders.get(name);
    if (placeholder === undefined) {
      placeholder = `#n${this.names.size}`;
      this.#placeholders.set(name, placeholder);
      this.names.set(placeholder, name);
    }
    return placeholder;
  }

  #value(value: AttributeValue): string {
    const placeholder = `:v${this.values.size}`;
    this.values.set(placeholder, value);
    return placeholder;
  }
}
