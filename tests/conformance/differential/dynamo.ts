/** DynamoDB as the differential tests talk to it, and what is in its tables as far as they put it there. */

import { Buffer } from "node:buffer";
import { KEYS, TABLES } from "./tables.ts";
import { canonical, type Item, keyOf, type World } from "./world.ts";

export type Answer = Record<string, unknown>;

/** DynamoDB takes no more in one batch. */
const MOST_WRITES = 25;

export class Dynamo {
  readonly #url: string;
  #held: World = new Map();

  constructor(url: string) {
    this.#url = url;
  }

  /** Calls an operation, past any gateway. One of another service than `DynamoDB_20120810` is written with it. */
  async call(operation: string, body: unknown): Promise<Answer> {
    const response = await fetch(this.#url, {
      method: "POST",
      headers: {
        "x-amz-target": operation.includes(".") ? operation : `DynamoDB_20120810.${operation}`,
        "content-type": "application/x-amz-json-1.0",
        authorization:
          "AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
      },
      body: body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body),
    });
    const text = await response.text();
    return text === "" ? {} : (JSON.parse(text) as Answer);
  }

  /** As `call`, of what must succeed. */
  async must(operation: string, body: unknown): Promise<Answer> {
    const answer = await this.call(operation, body);
    if (answer["__type"] !== undefined) throw new Error(`Cannot ${operation}: ${JSON.stringify(answer)}`);
    return answer;
  }

  async create(): Promise<void> {
    for (const table of TABLES) {
      await this.must("CreateTable", table);
      this.#held.set(table.TableName, new Map());
    }
  }

  /** Makes the tables hold this world, writing only what differs. */
  async hold(world: World): Promise<void> {
    const writes: [string, object][] = [];
    for (const [table, items] of world) {
      const held = this.#held.get(table) ?? new Map<string, Item>();
      for (const [id, item] of items) {
        if (canonical(held.get(id)) !== canonical(item)) writes.push([table, { PutRequest: { Item: item } }]);
      }
      for (const [id, item] of held) {
        if (items.has(id)) continue;
        const Key = Object.fromEntries((KEYS[table] ?? []).map((name) => [name, item[name]]));
        writes.push([table, { DeleteRequest: { Key } }]);
      }
    }
    for (let at = 0; at < writes.length; at += MOST_WRITES) {
      const RequestItems: Record<string, object[]> = {};
      for (const [table, write] of writes.slice(at, at + MOST_WRITES)) (RequestItems[table] ??= []).push(write);
      await this.must("BatchWriteItem", { RequestItems });
    }
    this.#held = new Map([...world].map(([table, items]) => [table, new Map(items)]));
  }

  /** What the tables hold now. */
  async held(): Promise<World> {
    const scans = await Promise.all(
      TABLES.map(async ({ TableName }): Promise<[string, Map<string, Item>]> => {
        const { Items } = await this.must("Scan", { TableName });
        return [TableName, new Map((Items as Item[]).map((item) => [keyOf(TableName, item), item]))];
      }),
    );
    this.#held = new Map(scans);
    return new Map(scans);
  }
}
