/** Administration over the network: through the cluster's door, in the name of whoever is logged in. */

import { Buffer } from "node:buffer";
import * as z from "zod";
import { PosternError } from "../../base/errors.ts";
import { printable } from "../../base/printable.ts";
import { Secret } from "../../base/secret.ts";
import type { Outcome } from "../../control/administration.ts";
import {
  type Administrator,
  type ClusterStatus,
  type Created,
  type Entrance,
  type GivenText,
  type MadeToken,
  MAX_TEXT_BYTES,
  type NewToken,
  type NewUser,
  type Reading,
  type ShownLink,
} from "../../control/administrator.ts";
import type { DatabaseServer } from "../../control/presence.ts";
import type { ShownResource } from "../../control/shown.ts";
import type { StoredValue } from "../../store/store.ts";
import type { ProxyAddress } from "../../client/tls.ts";
import { isLoopback } from "../../config/address.ts";
import { CommandError } from "../command-error.ts";
import { doorOf } from "../login/door-of.ts";
import type { Door } from "../login/door.ts";
import type { Choice } from "../login/profiles.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";

/** Administers the cluster of a profile. @throws CommandError when nobody is logged in there */
export async function administratorAt(choice: Choice, surroundings: ClientSurroundings): Promise<Administrator> {
  const { profiles } = surroundings;
  if (choice.proxy === undefined && choice.cluster === undefined && profiles.current() === undefined) {
    throw new CommandError(2, "Cannot tell which cluster to administer: nobody is logged in", {
      hint: "log in: postern login --proxy=HOST:PORT --user=NAME; or name the auth service's configuration on its own machine: postern ctl -c postern.yaml …; postern start makes a cluster of your own",
    });
  }
  const { door, profile } = await doorOf(choice, surroundings);
  return new RemoteAdministrator(door, nameOf(profile.proxy));
}

/** What its pages are called from here: a passkey made at an address is no good at `localhost`, which is what the door takes itself for. */
function nameOf({ host, port, text }: ProxyAddress): string {
  return isLoopback({ kind: "tcp", host, port }) ? `localhost:${port}` : text;
}

/** Asks the cluster's door for each act. */
class RemoteAdministrator implements Administrator {
  readonly #door: Door;
  readonly #address: string;

  /** @param address where the door was found, by which others find it too */
  constructor(door: Door, address: string) {
    this.#door = door;
    this.#address = address;
  }

  status(): Promise<ClusterStatus> {
    return this.#ask(STATUS, "status", {});
  }

  async list(kind: string, reading?: Reading): Promise<readonly ShownResource[]> {
    const asked = { kind, with_secrets: reading?.withSecrets === true };
    return (await this.#ask(z.object({ resources: z.array(RESOURCE) }), "list", asked)).resources;
  }

  async databaseServers(): Promise<readonly DatabaseServer[]> {
    return (await this.#ask(z.object({ servers: z.array(SERVER) }), "database_servers", {})).servers;
  }

  async get(kind: string, name: string, reading?: Reading): Promise<ShownResource> {
    const asked = { kind, name, with_secrets: reading?.withSecrets === true };
    return (await this.#ask(z.object({ resource: RESOURCE }), "get", asked)).resource;
  }

  create(given: GivenText, { force }: { readonly force: boolean }): Promise<Created> {
    return this.#ask(CREATED, "create", { ...given, force });
  }

  replace(kind: string, name: string, revision: string, given: GivenText): Promise<Outcome> {
    return this.#ask(OUTCOME, "replace", { kind, name, revision, ...given });
  }

  remove(kind: string, name: string): Promise<Outcome> {
    return this.#ask(OUTCOME, "remove", { kind, name });
  }

  async addUser({ name, roles, dbUsers }: NewUser, entrance: Entrance): Promise<ShownLink | undefined> {
    return this.#link("users/add", { name, roles, db_users: dbUsers, ...sent(entrance) });
  }

  async updateUser(name: string, { roles, dbUsers }: Partial<Pick<NewUser, "roles" | "dbUsers">>): Promise<void> {
    await this.#ask(z.object({}), "users/update", { name, roles, db_users: dbUsers });
  }

  async resetUser(name: string, entrance: Entrance): Promise<ShownLink | undefined> {
    return this.#link("users/reset", { name, ...sent(entrance) });
  }

  async addToken({ roles, value, ttl, maxUses, databases }: NewToken): Promise<MadeToken> {
    const asked = { roles, value: value?.reveal(), ttl_ms: ttl, max_uses: maxUses, databases };
    const { token, ...made } = await this.#ask(TOKEN, "tokens/add", asked);
    return { ...made, token: new Secret(token) };
  }

  async #link(path: string, asked: object): Promise<ShownLink | undefined> {
    const { link } = await this.#ask(z.object({ link: LINK.optional() }), path, asked);
    if (link === undefined) return undefined;
    const { kind, token, lasts_ms: lasts, address } = link;
    // Where nobody has said what the cluster is called: this door can be reached, by one at least.
    return { kind, token: new Secret(token), lasts, address: address ?? this.#address };
  }

  #ask<T>(schema: z.ZodType<T>, path: string, body: object): Promise<T> {
    // A door that refuses something for its size does not wait until it has been sent.
    if (Buffer.byteLength(JSON.stringify(body)) > MAX_TEXT_BYTES) {
      throw new PosternError("body_too_large", `Cannot send the request: it has more than ${MAX_TEXT_BYTES} bytes`, {
        hint: "hand in fewer documents at a time",
      });
    }
    return this.#door.ask(schema, "POST", `/v1/control/${path}`, { body, most: MAX_ANSWER_BYTES });
  }
}

/** Lists of ten thousand roles, and more. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

function sent({ password, ttl }: Entrance): object {
  return { password: password?.reveal(), ttl_ms: ttl };
}

/** A text that goes to a terminal as it is. */
const SHOWN = z.string().transform((text) => printable(text.slice(0, 1000)));

// Loose where a later version may say more; what is used is what is named here.
const STATUS = z.object({
  cluster: SHOWN,
  id: SHOWN,
  version: SHOWN,
  ca_pins: z.array(SHOWN),
  authorities: z.array(
    z.object({
      kind: SHOWN,
      phase: SHOWN,
      started: SHOWN.nullable(),
      next_phase: SHOWN.nullable(),
      next_at: SHOWN.nullable(),
      last_rotated: SHOWN.nullable(),
      pins: z.array(SHOWN),
    }),
  ),
});

const RESOURCE: z.ZodType<ShownResource> = z
  .object({
    kind: z.string(),
    name: z.string(),
    value: z.json().transform((value) => value as StoredValue),
    revision: z.string().optional(),
  })
  .transform(({ revision, ...rest }) => ({ ...rest, ...(revision === undefined ? {} : { revision }) }));

const OUTCOME = z.object({
  kind: SHOWN,
  noun: SHOWN,
  name: SHOWN,
  done: z.enum(["created", "updated", "deleted"]),
});

const CREATED = z.object({
  outcomes: z.array(OUTCOME),
  warnings: z.array(z.object({ file: SHOWN, line: z.number(), column: z.number(), message: SHOWN })),
});

const LINK = z.object({
  kind: z.enum(["invite", "reset"]),
  // It goes into an address that people open.
  token: z.string().regex(/^[0-9a-f]{32,128}$/),
  lasts_ms: z.number().positive(),
  address: z
    .string()
    .regex(/^[A-Za-z0-9.:[\]_-]{1,300}$/)
    .optional(),
});

const TOKEN = z.object({
  token: z.string().regex(/^[\x21-\x7e]{1,255}$/),
  roles: z.array(SHOWN),
  expires: z.number(),
  lasts: z.number(),
});

const SERVER: z.ZodType<DatabaseServer> = z.object({
  host_id: z.string(),
  proxy: z.string(),
  node_name: z.string(),
  version: z.string(),
  draining: z.boolean(),
  heard: z.number(),
  databases: z.array(
    z.object({
      name: z.string(),
      labels: z.record(z.string(), z.string()),
      uri: z.string(),
      region: z.string(),
      account_id: z.string(),
      fault: z.string().nullable(),
    }),
  ),
});
