/** Writes statements again, every name in quotes and every value as a parameter. */

import type { DocumentPath } from "../document-path.ts";
import type { AttributeValue } from "../expressions/ast.ts";
import type { PartiqlCondition, PartiqlOperand, PartiqlStatement, Returning } from "./ast.ts";

/** Parsing the statement with these parameters gives the same tree. */
export function printStatement(statement: PartiqlStatement): {
  readonly statement: string;
  readonly parameters: readonly AttributeValue[];
} {
  const printer = new Printer();
  return { statement: printer.statement(statement), parameters: printer.parameters };
}

const RETURNING: Readonly<Record<Returning, string>> = {
  NONE: "",
  ALL_OLD: " RETURNING ALL OLD *",
  ALL_NEW: " RETURNING ALL NEW *",
  UPDATED_OLD: " RETURNING MODIFIED OLD *",
  UPDATED_NEW: " RETURNING MODIFIED NEW *",
};

class Printer {
  readonly parameters: AttributeValue[] = [];

  statement(statement: PartiqlStatement): string {
    switch (statement.kind) {
      case "select": {
        const { table, index, projection, where, orderBy, exists } = statement;
        const columns = projection === "all" ? "*" : projection.map(pathText).join(", ");
        const source = index === null ? quoted(table) : `${quoted(table)}.${quoted(index)}`;
        const order = orderBy.length === 0 ? "" : ` ORDER BY ${orderBy.map(pathText).join(", ")}`;
        const text = `SELECT ${columns} FROM ${source}${this.#where(where)}${order}`;
        return exists ? `EXISTS(${text})` : text;
      }
      case "insert": {
        const members = [...statement.item].map(([name, value]) => `${literal(name)}: ${this.#value(value)}`);
        return `INSERT INTO ${quoted(statement.table)} VALUE {${members.join(", ")}}`;
      }
      case "update": {
        const sets = statement.set.map(({ path, value }) => ` SET ${pathText(path)} = ${this.#operand(value)}`);
        const removes = statement.remove.map((path) => ` REMOVE ${pathText(path)}`);
        const where = this.#where(statement.where);
        return `UPDATE ${quoted(statement.table)}${sets.join("")}${removes.join("")}${where}${RETURNING[statement.returning]}`;
      }
      case "delete":
        return `DELETE FROM ${quoted(statement.table)}${this.#where(statement.where)}${RETURNING[statement.returning]}`;
    }
  }

  #where(where: PartiqlCondition | null): string {
    return where === null ? "" : ` WHERE ${this.#condition(where)}`;
  }

  #condition(condition: PartiqlCondition): string {
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
        return `${this.#operand(condition.operand)} IN [${this.#operands(condition.list)}]`;
      case "missing":
      case "null":
        return `${this.#operand(condition.operand)} IS ${condition.negated ? "NOT " : ""}${condition.kind.toUpperCase()}`;
      case "function":
        return `${condition.name}(${this.#operands(condition.arguments)})`;
    }
  }

  #part(condition: PartiqlCondition): string {
    const text = this.#condition(condition);
    return condition.kind === "and" || condition.kind === "or" || condition.kind === "not" ? `(${text})` : text;
  }

  #operands(operands: readonly PartiqlOperand[]): string {
    return operands.map((operand) => this.#operand(operand)).join(", ");
  }

  #operand(operand: PartiqlOperand): string {
    switch (operand.kind) {
      case "path":
        return pathText(operand.path);
      case "value":
        return this.#value(operand.value);
      case "call":
        return `${operand.name}(${this.#operands(operand.arguments)})`;
      case "arithmetic": {
        // In the order in which they stand: parameters are taken one by one.
        const left = this.#operand(operand.left);
        const right = this.#operand(operand.right);
        return `${left} ${operand.operator} ${operand.right.kind === "arithmetic" ? `(${right})` : right}`;
      }
    }
  }

  #value(value: AttributeValue): string {
    this.parameters.push(value);
    return "?";
  }
}

function pathText(path: DocumentPath): string {
  return path
    .map((step, at) => (typeof step === "number" ? `[${step}]` : `${at === 0 ? "" : "."}${quoted(step)}`))
    .join("");
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
