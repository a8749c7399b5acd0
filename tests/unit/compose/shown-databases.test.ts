import { deepEqual, equal } from "node:assert/strict";
import { describe, it } from "node:test";
import type { Database } from "../../../src/aws/database.ts";
import { ShownDatabases } from "../../../src/compose/shown-databases.ts";
import { BUILT_IN_ROLES } from "../../../src/identity/built-in-roles.ts";
import type { ServedDatabase } from "../../../src/tunnel/protocol.ts";

const USER = { name: "ann", roles: ["access"], traits: {}, mfaVerified: false };
const database = (name: string, env: string): object => ({
  name,
  labels: { env },
  uri: "https://dynamodb.us-east-1.amazonaws.com",
  region: "us-east-1",
});

describe("databases that a user may know of", () => {
  const served = [
    ["orders", "prod"],
    ["orders", "dev"],
    ["theirs", "prod"],
  ].map(([name = "", env = ""]) => ({ ...database(name, env), account_id: "1" }) as ServedDatabase);
  const defined = [
    ["orders", "prod"],
    ["mine", "dev"],
    ["theirs", "prod"],
  ].map(([name = "", env = ""]) => [name, { ...database(name, env), accountId: "2" } as Database] as const);
  const shown = new ShownDatabases(
    () => ({
      directory: { role: (name) => BUILT_IN_ROLES.find((role) => role.name === name) },
      policy: { shows: (_, { labels }) => labels["env"] === "dev" },
      databases: new Map(defined),
    }),
    {
      served: () => served,
      lately: () =>
        [
          ["away", "dev"],
          ["hidden", "prod"],
          ["theirs", "dev"],
        ].map(([name = "", env = ""]) => ({ ...database(name, env), account_id: "1" }) as ServedDatabase),
    },
  );

  it("are there still when their agents are away for a moment, but for what is known of them now", () => {
    for (const [name, isShown] of [
      ["away", true],
      ["hidden", false],
      ["theirs", false],
    ] as const)
      equal(shown.isShown(USER, name), isShown, name);
  });

  it("are told by name as they are listed, whichever agent or document says so", () => {
    const listed = shown.documents(USER).map((one) => {
      const { metadata, spec } = one as { metadata: { name: string }; spec: { aws: { account_id: string } } };
      return [metadata.name, spec.aws.account_id];
    });
    deepEqual(listed, [
      ["mine", "2"],
      ["orders", "1"],
    ]);
    for (const name of ["orders", "mine", "theirs", "none", ""])
      equal(
        shown.isShown(USER, name),
        listed.some(([one]) => one === name),
        name,
      );
  });
});
