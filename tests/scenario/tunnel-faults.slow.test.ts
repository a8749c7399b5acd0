/** Two proxies behind one address and two agents, while each of them fails: what clients see, and what is on record. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { DynamoDBClient, GetItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { eventually } from "../support/eventually.ts";
import { TunnelCluster } from "../support/faulty-tunnel-cluster.ts";

interface ServingAgent {
  readonly node_name: string;
  readonly proxies: number;
  readonly fault: string | null;
}

describe("a cluster of two proxies and two agents", () => {
  let cluster: TunnelCluster;
  let port: number;
  const clients: DynamoDBClient[] = [];
  const clientOf = (maxAttempts: number, at = port): DynamoDBClient => {
    const client = new DynamoDBClient({
      endpoint: `http://localhost:${at}`,
      region: "local",
      credentials: { accessKeyId: "any", secretAccessKey: "any" },
      maxAttempts,
    });
    clients.push(client);
    return client;
  };
  const READ = new GetItemCommand({ TableName: "orders", Key: { id: { S: "ada#1" } } });
  const agents = async (): Promise<readonly ServingAgent[]> => {
    const [database] = JSON.parse(await cluster.ctl(["db", "ls", "-f", "json"])) as {
      status: { agents: ServingAgent[] };
    }[];
    return database?.status.agents ?? [];
  };

  /** Reads and adds from several clients at once until `work` is done; answers are checked. */
  async function underLoad(
    maxAttempts: number,
    work: (served: (more: number) => Promise<void>) => Promise<void>,
  ): Promise<{ done: number; errors: Error[] }> {
    const errors: Error[] = [];
    let [isOver, done, id] = [false, 0, 0];
    const added = new Map<string, boolean>();
    const prefix = `${Math.random()}`;
    const one = async (): Promise<void> => {
      const [reader, writer] = [clientOf(maxAttempts), clientOf(1)];
      while (!isOver) {
        try {
          const { Item } = await reader.send(READ);
          assert.equal(Item?.["total"]?.N, "18.15");
          done++;
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
          errors.push(error as Error);
        }
        const key = `${prefix}#${id++}`;
        const add = { TableName: "orders", Key: { id: { S: key } }, UpdateExpression: "ADD n :one" };
        added.set(
          key,
          await writer.send(new UpdateItemCommand({ ...add, ExpressionAttributeValues: { ":one": { N: "1" } } })).then(
            () => true,
            () => false,
          ),
        );
      }
    };
    const running = Promise.all(Array.from({ length: 4 }, one));
    try {
      await work(async (more) => {
        const mark = done;
        await eventually(() => done >= mark + more);
      });
    } finally {
      isOver = true;
      await running;
    }
    // Tried once by its client: no part of the path may have tried it again.
    for (const [key, isDone] of added) {
      const { Item } = (await cluster.sandbox.inspect("GetItem", { TableName: "orders", Key: { id: { S: key } } })) as {
        Item?: { n: { N: string } };
      };
      const times = Number(Item?.n.N ?? 0);
      assert.ok(isDone ? times === 1 : times <= 1, `${key} was added ${times} times`);
    }
    return { done, errors };
  }

  before(async () => {
    cluster = await TunnelCluster.start({ proxies: ["one", "two"], agents: ["a", "b"] });
    port = await cluster.openLocalPort();
  });
  after(async () => {
    for (const client of clients) client.destroy();
    await cluster.stop();
  });

  it("has a tunnel of each agent to each proxy, though agents dial one address", async () => {
    for (const name of ["a", "b"]) await eventually(() => cluster.tunnelsOf(name) === 2);
    await eventually(
      async () => (await agents()).length === 2 && (await agents()).every(({ proxies }) => proxies === 2),
    );
    assert.deepEqual((await agents()).map(({ node_name }) => node_name).toSorted(), ["a", "b"]);
  });

  it("says that clients may try again while no agent can be reached, not that there is no such database", async () => {
    const client = clientOf(1);
    const ask = (): Promise<string> =>
      client.send(READ).then(
        () => "answered",
        ({ name }: Error) => name,
      );
    cluster.agentsNet.weather.silent = true;
    const heard = new Set<string>();
    try {
      for (let after = 0; after < 5;) {
        heard.add(await ask());
        if (["a", "b"].every((name) => cluster.tunnelsOf(name) === 0)) after++;
      }
    } finally {
      cluster.agentsNet.weather.silent = false;
    }
    assert.ok(!heard.has("AccessDeniedException"), [...heard].join());
    await eventually(async () => (await ask()) === "answered");
    for (const name of ["a", "b"]) await eventually(() => cluster.tunnelsOf(name) === 2);
  });

  it("fails no request while an agent is stopped and started, and forgets it meanwhile", async () => {
    const { done, errors } = await underLoad(3, async () => {
      await cluster.kill("a", "SIGTERM");
      await eventually(async () => (await agents()).length === 1);
      await cluster.startAgent("a");
      await eventually(async () => (await agents()).length === 2);
    });
    assert.ok(done > 20);
    assert.deepEqual(errors, []);
    // An agent that goes is no failure of the proxy's.
    for (const name of ["one", "two"]) assert.doesNotMatch(cluster.service(name).log(), /ERROR/);
  });

  it("fails no request that is tried again while an agent or a proxy is killed", async () => {
    const { errors } = await underLoad(10, async () => {
      await cluster.kill("a");
      await cluster.startAgent("a");
      await cluster.kill("one");
      await cluster.startProxy("one");
      for (const name of ["a", "b"]) await eventually(() => cluster.tunnelsOf(name) === 2);
    });
    assert.deepEqual(errors, []);
  });

  it("goes on with whoever vouches next, at once, while both authorities are rotated", async () => {
    const renewals = (name: string): number => cluster.service(name).log().split("Renewed the certificate").length;
    const { errors } = await underLoad(10, async (served) => {
      for (const phase of ["init", "update_clients", "update_servers", "standby"]) {
        const before = ["a", "b"].map(renewals);
        await cluster.ctl(["auth", "rotate", "--type=all", "--manual", `--phase=${phase}`]);
        // As long as agents would otherwise take to look, nobody waits between two steps.
        if (phase === "init")
          await eventually(() => ["a", "b"].every((name, at) => renewals(name) > (before[at] ?? 0)));
        // Logins by the old authority end with it.
        if (phase === "update_clients") await cluster.logIn();
        await served(20);
        // What comes next comes on connections of its own.
        cluster.clientsNet.cut();
      }
    });
    assert.deepEqual(errors, []);
    // Who comes when all is over knows the new ones only.
    const { ca_pins } = JSON.parse(await cluster.ctl(["status", "-f", "json"])) as { ca_pins: [string] };
    [cluster.pin] = ca_pins;
    await cluster.logIn();
    const { Item } = await clientOf(3, await cluster.openLocalPort("later")).send(READ);
    assert.equal(Item?.["total"]?.N, "18.15");
  });
});
