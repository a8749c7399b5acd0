/** Users who come by a connector: made, or brought up to date, at each login, for as long as that login lasts. */

import { Buffer } from "node:buffer";
import { PosternError } from "../base/errors.ts";
import { lockMessage } from "../identity/lock.ts";
import { quoted } from "../identity/names.ts";
import { type OidcConnector, userOfClaims } from "../identity/oidc-connector.ts";
import { isMapping } from "../identity/teleport-keys.ts";
import { documentOf, parseUser, type User } from "../identity/user.ts";
import { isRace } from "../store/store-errors.ts";
import type { StoredResource, StoredValue } from "../store/store.ts";
import { admit, type AdmissionOptions, type Login } from "./admission.ts";
import type { Connectors } from "./connectors.ts";
import { recordChanges } from "./events.ts";
import type { Claims } from "./identity-providers.ts";
import { kindsOf } from "./kinds.ts";
import { lifetimeOf } from "./user-certificates.ts";
import { type PlannedChange, World } from "./world.ts";
import { readSerial, writesOf } from "./writes.ts";

export interface ConnectorUsersOptions extends AdmissionOptions {
  readonly connectors: Connectors;
  /** Names of users that files beside the store define; a second one of the name would keep gateways from all changes. */
  readonly taken: () => Promise<ReadonlySet<string>>;
}

/** Somebody whom a provider has vouched for. */
export interface VouchedEntrant {
  readonly connector: string;
  readonly claims: Claims;
  /** PEM of the key that the certificate is for. */
  readonly publicKey: string;
  /** Milliseconds. */
  readonly lifetime?: number | undefined;
}

interface Planned {
  readonly user: User & Required<Pick<User, "expires" | "origin">>;
  readonly change: PlannedChange;
}

/** A certificate that ends within this holds no longer than its user. */
const GRACE_MS = 60_000;
const MAX_ATTEMPTS = 10;
const MAX_NAME_BYTES = 255;
/** Only for what belongs to a user. */
const KINDS = kindsOf(async () => undefined, []);

/** The users of a cluster's connectors. */
export class ConnectorUsers {
  readonly #options: ConnectorUsersOptions;

  constructor(options: ConnectorUsersOptions) {
    this.#options = options;
  }

  /**
   * Who somebody would be let in as. Nothing is changed.
   *
   * @throws PosternError `connector_unknown`, `connector_changed`, `oidc_claims_invalid`, `oidc_email_unverified`,
   * `oidc_no_roles`, `oidc_role_unknown`, `oidc_user_taken`, `login_locked`
   */
  async judge(connector: string, claims: Claims): Promise<User> {
    return (await this.#plan({ connector, claims })).user;
  }

  /** Lets somebody in, as who they are by the connector, roles and locks of this moment. @throws as `judge()`, and `admit()` */
  async admit(entrant: VouchedEntrant): Promise<Login> {
    const { cluster, clock, events } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const serial = await readSerial(cluster.store);
      const { user, change } = await this.#plan(entrant);
      try {
        await cluster.store.write(await writesOf([change], serial, { store: cluster.store, kinds: KINDS, clock }));
      } catch (thrown) {
        // A role may have gone, or an administrator may have made a user of this name.
        if (isRace(thrown) && attempt < MAX_ATTEMPTS) continue;
        throw thrown;
      }
      const { name, roles, traits } = user;
      const actor = { name, roles, traits, kind: "user" } as const;
      if (hasChanged(change)) await recordChanges([change], actor, { events, service: "proxy_service" });
      const { publicKey, lifetime } = entrant;
      return admit(this.#options, { user: user.name, origin: user.origin, mfaVerified: false, publicKey, lifetime });
    }
  }

  async #plan({
    connector: connectorName,
    claims,
    lifetime,
  }: Pick<VouchedEntrant, "connector" | "claims" | "lifetime">): Promise<Planned> {
    const { cluster, clock, connectors, taken } = this.#options;
    const connector = await connectors.named(connectorName);
    const origin = originOf(connector, claims);
    const { name, roles, traits } = userOfClaims(connector, claims);
    if (Buffer.byteLength(name) > MAX_NAME_BYTES)
      throw new PosternError("oidc_claims_invalid", `Cannot log in: the name has more than ${MAX_NAME_BYTES} bytes`);
    const world = await World.around(name, roles, cluster.store, clock);
    for (const role of roles) {
      if (world.directory.role(role) !== undefined) continue;
      throw new PosternError(
        "oidc_role_unknown",
        `Cannot log in: connector ${quoted(connectorName)} gives role ${quoted(role)}, which is not defined`,
        { hint: "ask an administrator to add the role, or to change claims_to_roles" },
      );
    }
    if ((await taken()).has(name)) throw takenBy(name, "is defined in files beside the cluster");
    const before = await cluster.store.get("user", name);
    const known = before === undefined ? undefined : parseUser(before.value).value;
    if (known !== undefined) {
      if (known.origin?.connector !== connectorName) throw takenBy(name, "did not come by this connector");
      if (known.origin.issuer !== origin.issuer || known.origin.subject !== origin.subject)
        throw takenBy(name, "is somebody else at the provider, or was until lately");
    }
    const now = clock.now();
    const ends = now + lifetimeOf(roles, world.directory, lifetime) + GRACE_MS;
    // A short login does not cut a longer one short.
    const expires = Math.max(ends, known?.expires ?? 0);
    const user = { name, roles, traits, expires, origin };
    const after = keeping(before, documentOf(user, createdOf(before) ?? now));
    const lock = world.with("user", name, after).directoryFor(name).lockOf(name);
    if (lock !== undefined)
      throw new PosternError("login_locked", `Cannot log in: the user is locked${lockMessage(lock)}`);
    const verb = before === undefined ? "create" : "update";
    return { user, change: { verb, kind: "user", name, before, after, expiresAt: expires } };
  }
}

/** @throws PosternError when another provider is asked now than the one that vouched */
function originOf({ name, issuerUrl }: OidcConnector, { iss, sub }: Claims): User["origin"] & object {
  const isSame = typeof iss === "string" && URL.canParse(iss) && new URL(iss).href === new URL(issuerUrl).href;
  if (!isSame || typeof sub !== "string" || sub === "") {
    throw connectorChanged(name);
  }
  return { connector: name, issuer: issuerUrl, subject: sub };
}

/** For logins that began before a connector was changed. */
export function connectorChanged(name: string): PosternError {
  return new PosternError(
    "connector_changed",
    `Cannot log in: connector ${quoted(name)} asks another provider by now`,
    { hint: "begin again: postern login" },
  );
}

/** A lock that an administrator wrote into the user's own document stays. */
function keeping(before: StoredResource | undefined, document: object): StoredValue {
  const { spec, ...rest } = document as { readonly spec: object };
  const status = specOf(before)?.["status"];
  const kept = status === undefined ? spec : { ...spec, status };
  return JSON.parse(JSON.stringify({ ...rest, spec: kept })) as StoredValue;
}

function createdOf(before: StoredResource | undefined): number | undefined {
  const created = specOf(before)?.["created_by"];
  const time = isMapping(created) ? Date.parse(String(created["time"])) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

function specOf(resource: StoredResource | undefined): Readonly<Record<string, unknown>> | undefined {
  const spec = isMapping(resource?.value) ? resource.value["spec"] : undefined;
  return isMapping(spec) ? spec : undefined;
}

/** That it lasts longer now is told by the login itself. */
function hasChanged({ before, after }: PlannedChange): boolean {
  const facts = (document: unknown): string => {
    const spec = isMapping(document) ? document["spec"] : undefined;
    return JSON.stringify(isMapping(spec) ? [spec["roles"], spec["traits"]] : null);
  };
  return before === undefined || facts(before.value) !== facts(after);
}

function takenBy(name: string, how: string): PosternError {
  return new PosternError("oidc_user_taken", `Cannot log in: there is a user ${quoted(name)} already, who ${how}`, {
    hint: "ask an administrator to remove that user, or to take names from another claim (username_claim)",
  });
}
