/** Several tables with streams, times to live and indexes, which are there or not, and what they are like now. */

import type { Dynamo } from "./dynamo.ts";
import type { Random } from "./random.ts";
import { canonical } from "./world.ts";

/** Names that are each other's beginnings, so that one taken for another is noticed. */
export const NAMES: readonly string[] = ["alpha", "beta", "beta-2", "gamma.x"];

/** What a table is like, as far as it is made so; undefined when there is none of the name. */
export interface TableState {
  readonly stream: boolean;
  readonly index: boolean;
  readonly ttl: boolean;
  readonly isProtected: boolean;
  readonly items: number;
}
export type TableStates = ReadonlyMap<string, TableState | undefined>;

export const STREAMS = "DynamoDBStreams_20120810";

export function stateOf(random: Random): TableState | undefined {
  if (random.chance(0.35)) return undefined;
  return {
    stream: random.chance(0.7),
    index: random.chance(0.3),
    ttl: random.chance(0.3),
    isProtected: random.chance(0.1),
    items: random.below(3),
  };
}

/** The definition of a table with this stream and index. */
export function definitionOf(TableName: string, stream: boolean, index: boolean): Record<string, unknown> {
  const attribute = (AttributeName: string): object => ({ AttributeName, AttributeType: "S" });
  const key = (AttributeName: string): object[] => [{ AttributeName, KeyType: "HASH" }];
  return {
    TableName,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: index ? [attribute("id"), attribute("g")] : [attribute("id")],
    KeySchema: key("id"),
    ...(stream ? { StreamSpecification: { StreamEnabled: true, StreamViewType: "NEW_AND_OLD_IMAGES" } } : {}),
    ...(index
      ? {
          GlobalSecondaryIndexes: [{ IndexName: "by-g", KeySchema: key("g"), Projection: { ProjectionType: "ALL" } }],
        }
      : {}),
  };
}

export class TableWorld {
  readonly #dynamo: Dynamo;
  /** The state that each table was made in, while it is still as it was made. */
  readonly #made = new Map<string, string>();

  constructor(dynamo: Dynamo) {
    this.#dynamo = dynamo;
  }

  /** Makes the tables so, anew where they are another. */
  async hold(states: TableStates): Promise<void> {
    for (const [name, state] of states) {
      if (this.#made.get(name) === canonical(state)) continue;
      await this.#remove(name);
      if (state !== undefined) await this.#make(name, state);
      this.#made.set(name, canonical(state));
    }
  }

  /** What each table is like now, in a text without times; a table that is no more as it was is made anew when next held. */
  async look(): Promise<Map<string, string>> {
    const seen = new Map<string, string>();
    for (const name of NAMES) {
      const TableName = { TableName: name };
      const described = await this.#dynamo.call("DescribeTable", TableName);
      if (described["Table"] === undefined) {
        seen.set(name, "absent");
        continue;
      }
      const rest = [
        await this.#dynamo.must("DescribeTimeToLive", TableName),
        await this.#dynamo.must("Scan", TableName),
      ];
      seen.set(name, timeless([described, ...rest]));
    }
    return seen;
  }

  /** A name that no table has now, if there is one. */
  get free(): string | undefined {
    return NAMES.find((name) => this.#made.get(name) === canonical(undefined));
  }

  /** A table that was changed. */
  changed(name: string): void {
    this.#made.delete(name);
  }

  /** The ARNs of a table's streams, the one of the table as it is now among them. */
  async streamsOf(TableName: string): Promise<string[]> {
    const { Streams } = await this.#dynamo.must(`${STREAMS}.ListStreams`, { TableName });
    return (Streams as { StreamArn: string }[]).map(({ StreamArn }) => StreamArn);
  }

  /** The first shard of a stream. */
  async shardOf(StreamArn: string): Promise<string> {
    const { StreamDescription } = await this.#dynamo.must(`${STREAMS}.DescribeStream`, { StreamArn });
    return (
      (StreamDescription as { Shards: { ShardId: string }[] }).Shards[0]?.ShardId ?? "shardId-00000000000000000000"
    );
  }

  async #remove(TableName: string): Promise<void> {
    const deleted = await this.#dynamo.call("DeleteTable", { TableName });
    if (!String(deleted["__type"] as string | undefined).endsWith("#ValidationException")) return;
    await this.#dynamo.must("UpdateTable", { TableName, DeletionProtectionEnabled: false });
    await this.#dynamo.must("DeleteTable", { TableName });
  }

  async #make(TableName: string, { stream, index, ttl, isProtected, items }: TableState): Promise<void> {
    await this.#dynamo.must("CreateTable", {
      ...definitionOf(TableName, stream, index),
      ...(isProtected ? { DeletionProtectionEnabled: true } : {}),
    });
    if (ttl) {
      const TimeToLiveSpecification = { Enabled: true, AttributeName: "ttl" };
      await this.#dynamo.must("UpdateTimeToLive", { TableName, TimeToLiveSpecification });
    }
    for (let at = 0; at < items; at++) {
      // Whatever shows an item shows whose it is.
      await this.#dynamo.must("PutItem", { TableName, Item: { id: { S: `${at}` }, of: { S: TableName } } });
    }
  }
}

/** One text for answers that differ in nothing but when things were made, and what hangs on it. */
export function timeless(value: unknown): string {
  return canonical(value)
    .replaceAll(/"(?:\w*DateTime|Last(?:In|De)creaseDateTime)":[\d.eE]+/g, `"time":0`)
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+/g, "label")
    .replaceAll(/shardId-[\w-]+/g, "shard")
    .replaceAll(/"(?:eventID|TableId|StartingSequenceNumber|SequenceNumber)":"[^"]*"/g, `"id":""`)
    .replaceAll(/\|[^"\\]*/g, "|iterator");
}
