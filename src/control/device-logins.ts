/** Logins without a browser at hand: a person confirms them at the provider on any device while the command line asks on. */

import { randomBytes } from "node:crypto";
import * as z from "zod";
import { messageOf, PosternError } from "../base/errors.ts";
import { isSameText } from "../base/same-text.ts";
import { Secret } from "../base/secret.ts";
import { AddressLimiter } from "../identity/lockout.ts";
import { readPublicKey } from "../identity/public-key.ts";
import type { SealingContext } from "../identity/sealing.ts";
import { isRace } from "../store/store-errors.ts";
import type { StoredValue } from "../store/store.ts";
import { type AdmissionOptions, type Login, RefusedError } from "./admission.ts";
import { requireAudit } from "./audit-health.ts";
import type { Connectors } from "./connectors.ts";
import { connectorChanged, type ConnectorUsers } from "./connector-users.ts";
import { hashOf } from "./hash-of.ts";
import type { IdentityProviders } from "./identity-providers.ts";
import { loginEvent } from "./login-event.ts";
import { nameIn, requireSize } from "./oidc-logins.ts";
import { limited, requireRoom } from "./open-logins.ts";

export interface DeviceLoginsOptions extends AdmissionOptions {
  readonly connectors: Connectors;
  readonly providers: IdentityProviders;
  readonly users: ConnectorUsers;
}

/** What a command line asks for. */
export interface DeviceLoginRequest {
  readonly connector: string;
  /** PEM of the key that the certificate is for. */
  readonly publicKey: string;
  /** Milliseconds; at most what the user's roles allow. */
  readonly lifetime?: number | undefined;
  readonly address: string;
}

/** What it shows to a person, and what it asks on with. */
export interface StartedDeviceLogin {
  readonly id: string;
  readonly secret: Secret;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete: string | undefined;
  /** Milliseconds to wait between two questions. */
  readonly interval: number;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** Not confirmed yet. `interval` is how long to wait before the next question, in milliseconds. */
export interface Waiting {
  readonly status: "pending" | "slow_down";
  readonly interval: number;
}

const KIND = "device_login";
const LONGEST_MS = 15 * 60_000;
/** As RFC 8628 has it. */
const SLOWER_MS = 5000;
const SLOWEST_MS = 60_000;

/** The device logins of one cluster. The provider's own code for them stays here, sealed. */
export class DeviceLogins {
  readonly #options: DeviceLoginsOptions;
  readonly #limiter: AddressLimiter;

  constructor(options: DeviceLoginsOptions) {
    this.#options = options;
    this.#limiter = new AddressLimiter(options.clock);
  }

  /**
   * Begins one.
   *
   * @throws PosternError `login_limited`, `public_key_invalid`, `connector_unknown`, `oidc_device_unavailable`,
   * `oidc_provider_…`, `audit_unavailable`
   */
  async begin({ connector, publicKey, lifetime, address }: DeviceLoginRequest): Promise<StartedDeviceLogin> {
    const { cluster, clock, ring, connectors, providers } = this.#options;
    requireAudit(this.#options.events, "log in");
    this.#takeTry(address);
    readPublicKey(publicKey);
    await requireRoom(cluster.store, clock, KIND, address);
    const found = await connectors.named(connector);
    const started = await providers.startDevice(found);
    const id = randomBytes(16).toString("hex");
    const secret = new Secret(randomBytes(32).toString("base64url"));
    const now = clock.now();
    const expires = now + Math.min(started.expiresIn * 1000, LONGEST_MS);
    const interval = started.interval * 1000;
    const record: DeviceLoginRecord = {
      address: address.slice(0, 64),
      connector,
      issuer: found.issuerUrl,
      public_key: publicKey,
      ...(lifetime === undefined ? {} : { lifetime }),
      secret_hash: hashOf(secret.reveal()),
      device_code: ring.seal(started.deviceCode, deviceCodeContext(id)),
      interval,
      next: now + interval,
      expires,
    };
    await cluster.store.write([
      { op: "create", kind: KIND, name: id, value: record as unknown as StoredValue, expiresAt: expires },
    ]);
    const { userCode, verificationUri, verificationUriComplete } = started;
    return { id, secret, userCode, verificationUri, verificationUriComplete, interval, expires };
  }

  /**
   * Asks whether it was confirmed. Whoever asks sooner than they were told is told to ask later still.
   *
   * @throws PosternError `device_login_unknown`, `login_limited`, `audit_unavailable`, and why it came to nothing: then it is over
   */
  async poll(id: string, secret: Secret, address: string): Promise<Login | Waiting> {
    const { cluster, clock } = this.#options;
    requireAudit(this.#options.events, "log in");
    const found = /^[0-9a-f]{32}$/.test(id) ? await cluster.store.get(KIND, id) : undefined;
    const record = RECORD.safeParse(found?.value).data;
    const isOwn =
      record !== undefined && isSameText(hashOf(secret.reveal()), record.secret_hash) && clock.now() < record.expires;
    if (found === undefined || !isOwn) {
      // Only guesses count: asking on is what others do.
      this.#takeTry(address);
      throw unknown();
    }
    const isEarly = clock.now() < record.next;
    // As late as it gets: nothing is written for who asks on and on.
    if (isEarly && record.interval >= SLOWEST_MS) return { status: "slow_down", interval: record.interval };
    const next = await this.#postpone(id, record, found.revision, isEarly);
    if (isEarly || next === undefined)
      return { status: "slow_down", interval: next?.record.interval ?? record.interval };
    return await this.#ask(id, next, address);
  }

  async #ask(id: string, { record, revision }: Kept, address: string): Promise<Login | Waiting> {
    const { cluster, ring, connectors, providers, users, events } = this.#options;
    let user = "";
    const { connector: name, public_key: publicKey, lifetime } = record;
    const facts = { method: { connector: name }, mfa: null, address } as const;
    try {
      const connector = await connectors.named(name);
      // A code is for the provider that gave it.
      if (connector.issuerUrl !== record.issuer) throw connectorChanged(name);
      const answer = await providers.pollDevice(connector, ring.open(record.device_code, deviceCodeContext(id)));
      if (answer === "pending") return { status: answer, interval: record.interval };
      if (answer === "slow_down") {
        const slower = await this.#postpone(id, record, revision, true);
        return { status: answer, interval: slower?.record.interval ?? record.interval };
      }
      user = nameIn(connector, answer);
      requireSize(answer);
      // Once, also for two who ask at the same moment; that somebody asked too soon meanwhile does not matter.
      await cluster.store.write([{ op: "delete", kind: KIND, name: id }]);
      const login = await users.admit({ connector: name, claims: answer, publicKey, lifetime });
      await events.record(loginEvent({ ...facts, user, error: null }));
      return login;
    } catch (thrown) {
      // The provider may be back before the next question.
      if (thrown instanceof PosternError && thrown.code === "oidc_provider_failed")
        return { status: "pending", interval: record.interval };
      const reason = thrown instanceof RefusedError ? thrown.why : messageOf(thrown);
      await events.record(loginEvent({ ...facts, user, error: reason })).catch(() => undefined);
      await cluster.store.write([{ op: "delete", kind: KIND, name: id }]).catch(() => undefined);
      throw isRace(thrown) ? unknown() : thrown;
    }
  }

  /** Undefined when somebody else asks at the same moment. */
  async #postpone(id: string, record: DeviceLoginRecord, revision: string, slower: boolean): Promise<Kept | undefined> {
    const { cluster, clock } = this.#options;
    const interval = slower ? Math.min(record.interval + SLOWER_MS, SLOWEST_MS) : record.interval;
    const next = { ...record, interval, next: clock.now() + interval };
    const value = next as unknown as StoredValue;
    const where = { kind: KIND, name: id, value, revision, expiresAt: record.expires } as const;
    try {
      const [written] = await cluster.store.write([{ op: "update", ...where }]);
      return written === undefined ? undefined : { record: next, revision: written.revision };
    } catch (thrown) {
      if (isRace(thrown)) return undefined;
      throw thrown;
    }
  }

  #takeTry(address: string): void {
    const wait = this.#limiter.take(address);
    if (wait > 0) throw limited(wait);
  }
}

interface Kept {
  readonly record: DeviceLoginRecord;
  readonly revision: string;
}

/** What is kept. Times in milliseconds, `next` and `expires` since the epoch. */
interface DeviceLoginRecord {
  readonly address: string;
  readonly connector: string;
  readonly issuer: string;
  readonly public_key: string;
  readonly lifetime?: number | undefined;
  readonly secret_hash: string;
  readonly device_code: string;
  readonly interval: number;
  readonly next: number;
  readonly expires: number;
}

const RECORD: z.ZodType<DeviceLoginRecord> = z.strictObject({
  address: z.string(),
  connector: z.string(),
  issuer: z.string(),
  public_key: z.string(),
  lifetime: z.number().optional(),
  secret_hash: z.string(),
  device_code: z.string(),
  interval: z.number(),
  next: z.number(),
  expires: z.number(),
});

/** Where the provider's code of a login is sealed: `device_code` of the record of this name. */
export function deviceCodeContext(id: string): SealingContext {
  return { kind: KIND, name: id, purpose: "device code" };
}

function unknown(): PosternError {
  return new PosternError("device_login_unknown", "Cannot log in: this login is unknown, over, or somebody else's", {
    hint: "begin again: postern login --headless",
  });
}
