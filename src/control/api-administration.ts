/** The routes of administration: each act of an administrator, in the name of the user who calls, under `/v1/control/`. */

import * as z from "zod";
import { PosternError } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import { type Administrator, MAX_TEXT_BYTES, type ShownLink } from "./administrator.ts";
import { answer, readBody } from "./api-answers.ts";
import { type Api, only } from "./api-routes.ts";
import type { Actor } from "./authorize.ts";
import type { Callers } from "./callers.ts";

/** An administrator in the name of an actor, and what says whether the actor could change anything of a kind, or at all. */
export type AdministratorOf = (
  actor: Actor,
) => Promise<{ readonly administrator: Administrator; readonly requireMayChange: (kind?: string) => Promise<void> }>;

export interface AdministrationRoutesOptions {
  readonly callers: Callers;
  readonly administratorOf: AdministratorOf;
}

/** What can be asked for. Names are in bodies, never in paths: a join token's is a secret. */
interface Act {
  /** It is work to read what is sent, or to hash it: begun for those only who could change something, of this kind. */
  readonly costly?: "user" | "any" | undefined;
  readonly run: (administrator: Administrator, request: Request) => Promise<object>;
}

function act<T>(
  schema: z.ZodType<T>,
  run: (administrator: Administrator, asked: T) => Promise<object>,
  costly?: Act["costly"],
): Act {
  const limit = costly === "any" ? MAX_TEXT_BYTES : undefined;
  return {
    costly,
    run: async (administrator, request) => run(administrator, await readBody(request, schema, limit)),
  };
}

const NAME = z.string().max(1024);
const NAMED = z.strictObject({ kind: NAME, name: NAME });
const LIST = z.array(NAME).max(1000);
const SECRET = z
  .string()
  .max(4096)
  .transform((text) => new Secret(text));
const MILLISECONDS = z.number().int().positive();
// It is told back, and stands in the audit log.
const FILE = z
  .string()
  .max(4096)
  .regex(/^[^\p{Cc}\p{Zl}\p{Zp}]+$/u, "is no name of a file");
const GIVEN = { file: FILE, text: z.string() };
const ENTRANCE = { password: SECRET.optional(), ttl_ms: MILLISECONDS.optional() };

const ACTS: Readonly<Record<string, Act>> = {
  status: act(z.strictObject({}), (administrator) => administrator.status()),
  list: act(
    z.strictObject({ kind: NAME, with_secrets: z.boolean() }),
    async (administrator, { kind, with_secrets: withSecrets }) => ({
      resources: await administrator.list(kind, { withSecrets }),
    }),
  ),
  database_servers: act(z.strictObject({}), async (administrator) => ({
    servers: await administrator.databaseServers(),
  })),
  get: act(
    NAMED.extend({ with_secrets: z.boolean() }),
    async (administrator, { kind, name, with_secrets: withSecrets }) => ({
      resource: await administrator.get(kind, name, { withSecrets }),
    }),
  ),
  create: act(
    z.strictObject({ ...GIVEN, force: z.boolean() }),
    (administrator, { force, ...given }) => administrator.create(given, { force }),
    "any",
  ),
  replace: act(
    NAMED.extend({ revision: NAME, ...GIVEN }),
    (administrator, { kind, name, revision, ...given }) => administrator.replace(kind, name, revision, given),
    "any",
  ),
  remove: act(NAMED, (administrator, { kind, name }) => administrator.remove(kind, name)),
  "users/add": act(
    z.strictObject({ name: NAME, roles: LIST, db_users: LIST.optional(), ...ENTRANCE }),
    async (administrator, { name, roles, db_users: dbUsers, password, ttl_ms: ttl }) =>
      linkIn(await administrator.addUser({ name, roles, dbUsers }, { password, ttl })),
    "user",
  ),
  "users/update": act(
    z.strictObject({ name: NAME, roles: LIST.optional(), db_users: LIST.optional() }),
    async (administrator, { name, roles, db_users: dbUsers }) => {
      await administrator.updateUser(name, {
        ...(roles === undefined ? {} : { roles }),
        ...(dbUsers === undefined ? {} : { dbUsers }),
      });
      return {};
    },
  ),
  "users/reset": act(
    z.strictObject({ name: NAME, ...ENTRANCE }),
    async (administrator, { name, password, ttl_ms: ttl }) =>
      linkIn(await administrator.resetUser(name, { password, ttl })),
    "user",
  ),
  "tokens/add": act(
    z.strictObject({
      roles: z.array(z.enum(["db", "proxy", "auth"])).max(3),
      value: SECRET.optional(),
      ttl_ms: MILLISECONDS.optional(),
      max_uses: z.number().optional(),
      databases: z.array(z.string()).optional(),
    }),
    async (administrator, { roles, value, ttl_ms: ttl, max_uses: maxUses, databases }) => {
      const { token, ...made } = await administrator.addToken({ roles, value, ttl, maxUses, databases });
      return { ...made, token: token.reveal() };
    },
  ),
};

/** Adds the routes. Who calls is looked up anew for each request, and once more by what writes. */
export function administrationRoutes(api: Api, { callers, administratorOf }: AdministrationRoutesOptions): void {
  for (const [path, { costly, run }] of Object.entries(ACTS)) {
    only(api, "POST", `/v1/control/${path}`, async (request, connected) => {
      const { user } = await callers.identify(connected);
      const { name, roles, traits } = user;
      const actor: Actor = { name, roles, traits, kind: "user", address: connected.address };
      const { administrator, requireMayChange } = await administratorOf(actor);
      if (costly !== undefined) await requireMayChange(costly === "any" ? undefined : costly);
      try {
        return answer(200, await run(administrator, request));
      } catch (thrown) {
        // Only who may read a kind is told what in it is broken.
        if (!(thrown instanceof PosternError) || thrown.code !== "resource_unreadable") throw thrown;
        const { message, hint } = thrown;
        throw new PosternError("resource_broken", message, hint === undefined ? {} : { hint });
      }
    });
  }
}

function linkIn(link: ShownLink | undefined): object {
  if (link === undefined) return {};
  const { kind, token, lasts, address } = link;
  return { link: { kind, token: token.reveal(), lasts_ms: lasts, ...(address === undefined ? {} : { address }) } };
}
