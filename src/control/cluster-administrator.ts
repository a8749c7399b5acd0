/** The administrator who has the cluster at hand: on its own machine, and behind its door in the name of whoever calls. */

import { DATABASE_SERVER, type DatabaseServer } from "./presence.ts";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import { joinTokenDocument, maskedName, newJoinToken } from "../identity/join-tokens.ts";
import type { StoredValue } from "../store/store.ts";
import { authorityFacts } from "./authority-facts.ts";
import type { Administration, Outcome } from "./administration.ts";
import type {
  Administrator,
  ClusterStatus,
  Created,
  Entrance,
  GivenText,
  MadeToken,
  NewToken,
  NewUser,
  Reading,
  ShownLink,
} from "./administrator.ts";
import type { Actor } from "./authorize.ts";
import type { Cluster } from "./cluster.ts";
import type { GivenDocument } from "./documents.ts";
import type { MadeLink, People } from "./people.ts";
import { type ShownResource, withoutSecrets } from "./shown.ts";

export interface ClusterAdministratorOptions {
  readonly actor: Actor;
  readonly administration: Administration;
  readonly people: People;
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly version: string;
  /** The documents of a text. @throws PosternError with their places when it is none */
  readonly documentsOf: (given: GivenText) => readonly GivenDocument[];
  /** Where users find the pages of links: what the configuration says. */
  readonly publicAddress: string | undefined;
}

const HIDDEN: Reading = { withSecrets: false };

/** One act after another in the name of one actor. */
export class ClusterAdministrator implements Administrator {
  readonly #options: ClusterAdministratorOptions;

  constructor(options: ClusterAdministratorOptions) {
    this.#options = options;
  }

  async status(): Promise<ClusterStatus> {
    const { administration, actor, cluster, version } = this.#options;
    // That the store can be read is what a status is about; and whether its reader administers anything.
    await administration.list(actor, "role");
    const kinds = await Promise.all((["host", "user"] as const).map((kind) => cluster.authority(kind)));
    const authorities = kinds.map(authorityFacts);
    const { name, id } = cluster;
    return { cluster: name, id, version, ca_pins: await cluster.pins(), authorities };
  }

  async list(kind: string, { withSecrets }: Reading = HIDDEN): Promise<readonly ShownResource[]> {
    const { administration, actor } = this.#options;
    const found = await administration.list(actor, kind);
    return withSecrets ? found : found.map(withoutSecrets);
  }

  async databaseServers(): Promise<readonly DatabaseServer[]> {
    const { administration, actor, cluster } = this.#options;
    await administration.list(actor, "db");
    return (await cluster.store.list(DATABASE_SERVER)).map(({ value }) => value as unknown as DatabaseServer);
  }

  async get(kind: string, name: string, { withSecrets }: Reading = HIDDEN): Promise<ShownResource> {
    const { administration, actor } = this.#options;
    const found = await administration.get(actor, kind, await this.#named(kind, name));
    return withSecrets ? found : withoutSecrets(found);
  }

  async create(given: GivenText, options: { readonly force: boolean }): Promise<Created> {
    const { administration, actor, documentsOf } = this.#options;
    return await administration.create(actor, documentsOf(given), options);
  }

  async replace(kind: string, name: string, revision: string, given: GivenText): Promise<Outcome> {
    const { administration, actor, documentsOf } = this.#options;
    const [document, second] = documentsOf(given);
    if (document === undefined || second !== undefined)
      throw new PosternError("documents_several", `Cannot use "${given.file}": it must hold one document`);
    return await administration.replace(actor, kind, await this.#named(kind, name), revision, document);
  }

  async remove(kind: string, name: string): Promise<Outcome> {
    const { administration, actor } = this.#options;
    return await administration.remove(actor, kind, await this.#named(kind, name));
  }

  async addUser({ name, roles, dbUsers }: NewUser, { password, ttl }: Entrance): Promise<ShownLink | undefined> {
    const { people, actor } = this.#options;
    const traits = dbUsers === undefined ? {} : { db_users: dbUsers };
    const document = unwritten({ kind: "user", version: "v2", metadata: { name }, spec: { roles, traits } });
    try {
      return this.#shown(await people.add(actor, name, document, password === undefined ? { ttl } : { password }));
    } catch (error) {
      if (!(error instanceof PosternError) || error.code !== "resource_exists") throw error;
      throw new PosternError(error.code, error.message, {
        hint: `postern ctl users update ${name} --set-roles ${roles.join(",")} replaces the roles`,
      });
    }
  }

  async updateUser(user: string, { roles, dbUsers }: Partial<Pick<NewUser, "roles" | "dbUsers">>): Promise<void> {
    const { administration, actor } = this.#options;
    await administration.change(actor, "user", user, (document) => {
      const copy = structuredClone(document) as { spec: { roles?: unknown; traits?: object | null } };
      if (roles !== undefined) copy.spec.roles = roles;
      if (dbUsers !== undefined) copy.spec.traits = { ...copy.spec.traits, db_users: dbUsers };
      return copy as unknown as StoredValue;
    });
  }

  async resetUser(user: string, { password, ttl }: Entrance): Promise<ShownLink | undefined> {
    const { people, actor } = this.#options;
    if (password === undefined) return this.#shown(await people.makeLink(actor, user, "reset", ttl));
    await people.setPassword(actor, user, password);
    return undefined;
  }

  async addToken({ roles, value, ttl, maxUses, databases }: NewToken): Promise<MadeToken> {
    const { administration, actor, clock } = this.#options;
    const now = clock.now();
    const token = newJoinToken({ roles, value: value?.reveal(), ttl, maxUses, databases, now });
    try {
      await administration.create(actor, [unwritten(joinTokenDocument(token))], { force: false });
    } catch (error) {
      if (!(error instanceof PosternError) || error.code !== "resource_exists") throw error;
      const message = `Failed to create token (${maskedName(token)} already exists), please use another name`;
      throw new PosternError(error.code, message);
    }
    const expires = token.expires ?? now;
    return { token: new Secret(token.name), roles: token.roles, expires, lasts: expires - now };
  }

  #shown(made: MadeLink | undefined): ShownLink | undefined {
    if (made === undefined) return undefined;
    const { kind, token, lasts } = made;
    return { kind, token, lasts, address: this.#options.publicAddress };
  }

  /** The name of the one token that is shown so; any other name as it is. */
  async #named(kind: string, name: string): Promise<string> {
    if (kind !== "token" || !name.startsWith("*")) return name;
    const { administration, actor } = this.#options;
    const found = (await administration.list(actor, kind)).filter((one) => withoutSecrets(one).name === name);
    const [only, second] = found;
    if (second !== undefined)
      throw new PosternError(
        "token_ambiguous",
        `Cannot tell which token ${JSON.stringify(name)} is: ${found.length} are shown so`,
        {
          hint: "name it whole: postern ctl tokens ls --with-secrets",
        },
      );
    return only?.name ?? name;
  }
}

/** A document that nobody wrote: what is wrong with it stands on the command line. */
function unwritten(value: unknown): GivenDocument {
  return { value, positionOf: () => ({ file: "command line", line: 1, column: 1 }) };
}
