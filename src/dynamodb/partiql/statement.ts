/** The grammar of DynamoDB's PartiQL: a whole statement is understood to its last character, or it is refused. */

import type { DocumentPath } from "../document-path.ts";
import type { AttributeValue } from "../expressions/ast.ts";
import type {
  DeleteStatement,
  InsertStatement,
  PartiqlCondition,
  PartiqlStatement,
  Returning,
  SelectStatement,
  UpdateStatement,
} from "./ast.ts";
import { parseWhere } from "./condition.ts";
import { isName, Parameters, parseOperand, parsePath, parseTuple } from "./operand.ts";
import { TokenReader } from "./reader.ts";
import { PartiqlError } from "./tokens.ts";

/**
 * Parses one statement and puts its parameters where its question marks stand.
 *
 * @throws PartiqlError
 */
export function parseStatement(text: string, values: readonly AttributeValue[]): PartiqlStatement {
  const reader = new TokenReader(text);
  const parameters = new Parameters(values);
  const statement = statementOf(reader, parameters);
  reader.end();
  parameters.end();
  return statement;
}

function statementOf(reader: TokenReader, parameters: Parameters): PartiqlStatement {
  if (reader.take("SELECT")) return select(reader, parameters, false);
  if (reader.take("INSERT")) return insert(reader, parameters);
  if (reader.take("UPDATE")) return update(reader, parameters);
  if (reader.take("DELETE")) return remove(reader, parameters);
  if (!reader.take("EXISTS")) {
    throw new PartiqlError("a statement begins with SELECT, INSERT, UPDATE, DELETE or EXISTS");
  }
  reader.symbol("(");
  reader.keyword("SELECT");
  const inner = select(reader, parameters, true);
  reader.symbol(")");
  return inner;
}

/** Behind SELECT: `a, b.c FROM "T"["."Idx"] [WHERE …] [ORDER BY …]`. */
function select(reader: TokenReader, parameters: Parameters, exists: boolean): SelectStatement {
  const projection = projected(reader);
  reader.keyword("FROM");
  const table = tableName(reader);
  const index = reader.takeSymbol(".") ? indexName(reader) : null;
  const where = condition(reader, parameters);
  const orderBy: DocumentPath[] = [];
  if (reader.take("ORDER")) {
    reader.keyword("BY");
    do {
      orderBy.push(parsePath(reader));
      if (!reader.take("ASC")) reader.take("DESC");
    } while (reader.takeSymbol(","));
  }
  return { kind: "select", exists, table, index, projection, where, orderBy };
}

function projected(reader: TokenReader): SelectStatement["projection"] {
  if (reader.takeSymbol("*")) return "all";
  const paths = [parsePath(reader)];
  while (reader.takeSymbol(",")) paths.push(parsePath(reader));
  return paths;
}

/** Behind INSERT: `INTO T VALUE {…}`. */
function insert(reader: TokenReader, parameters: Parameters): InsertStatement {
  reader.keyword("INTO");
  const table = tableName(reader);
  reader.keyword("VALUE");
  return { kind: "insert", table, item: parseTuple(reader, parameters) };
}

/** Behind UPDATE: `T SET a = …, b = … REMOVE c … WHERE … [RETURNING …]`. */
function update(reader: TokenReader, parameters: Parameters): UpdateStatement {
  const table = tableName(reader);
  const set: UpdateStatement["set"][number][] = [];
  const removed: DocumentPath[] = [];
  for (;;) {
    if (reader.take("SET")) {
      do {
        const path = parsePath(reader);
        reader.symbol("=");
        set.push({ path, value: parseOperand(reader, parameters) });
      } while (reader.takeSymbol(","));
    } else if (reader.take("REMOVE")) {
      do removed.push(parsePath(reader));
      while (reader.takeSymbol(","));
    } else break;
  }
  if (set.length + removed.length === 0) throw reader.unexpected("SET or REMOVE");
  const where = condition(reader, parameters);
  return { kind: "update", table, set, remove: removed, where, returning: returning(reader) };
}

/** Behind DELETE: `FROM T WHERE … [RETURNING …]`. */
function remove(reader: TokenReader, parameters: Parameters): DeleteStatement {
  reader.keyword("FROM");
  const table = tableName(reader);
  const where = condition(reader, parameters);
  return { kind: "delete", table, where, returning: returning(reader) };
}

function condition(reader: TokenReader, parameters: Parameters): PartiqlCondition | null {
  return reader.take("WHERE") ? parseWhere(reader, parameters) : null;
}

function returning(reader: TokenReader): Returning {
  if (!reader.take("RETURNING")) return "NONE";
  const whole = reader.take("ALL");
  if (!whole) reader.keyword("MODIFIED");
  const old = reader.take("OLD");
  if (!old) reader.keyword("NEW");
  reader.symbol("*");
  if (whole) return old ? "ALL_OLD" : "ALL_NEW";
  return old ? "UPDATED_OLD" : "UPDATED_NEW";
}

/** A table's name. One without quotes has no dots or dashes. */
function tableName(reader: TokenReader): string {
  const token = reader.peek();
  if (!isName(token)) throw reader.unexpected("a table's name");
  return reader.next("a table's name").text;
}

/** An index's name. The dot before it is a separator even where a table's name without quotes could be thought to hold it. */
function indexName(reader: TokenReader): string {
  const token = reader.peek();
  if (!isName(token)) throw reader.unexpected("an index's name");
  return reader.next("an index's name").text;
}
