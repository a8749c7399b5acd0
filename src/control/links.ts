/** Links by which a user sets a password, and a second factor where the cluster asks for one. Each works once. */

import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import type { Secret } from "../base/secret.ts";
import { type InviteKind, type InviteRecord, inviteNameOf, useInvite } from "../identity/invites.ts";
import { AddressLimiter, NOTE_RULE } from "../identity/lockout.ts";
import type { Passkey, Passkeys } from "../identity/passkeys.ts";
import type { Passwords } from "../identity/passwords.ts";
import type { KeyRing, SealingContext } from "../identity/sealing.ts";
import type { SecondFactor } from "../identity/second-factor.ts";
import { checkTotp, totpUri } from "../identity/totp.ts";
import { NO_TRIES } from "../identity/tries.ts";
import { isRace } from "../store/store-errors.ts";
import type { Store, StoredValue, Write } from "../store/store.ts";
import type { EventSink } from "./administration.ts";
import { requireAudit } from "./audit-health.ts";
import type { Cluster } from "./cluster.ts";
import { resetNoted, wasRemovedSince } from "./removed-users.ts";
import { freshTotp, SecretsStore, type UserSecrets } from "./user-secrets.ts";

export interface LinksOptions {
  readonly cluster: Cluster;
  readonly ring: KeyRing;
  readonly passwords: Passwords;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly secondFactor: SecondFactor;
  /** Needed where `secondFactor` is `webauthn`. */
  readonly passkeys?: Passkeys | undefined;
}

/** A link, as it was opened. */
export interface GivenLink {
  readonly token: Secret;
  readonly kind: InviteKind;
  /** From where; null from the machine itself. */
  readonly address: string | null;
}

/** What a user sees who opens a link. */
export interface OpenedLink {
  readonly user: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
  /** For the authenticator app, where the cluster asks for codes. */
  readonly totp?: { readonly secret: Secret; readonly uri: Secret };
  /** What the browser is to be asked for, where the cluster asks for passkeys. */
  readonly passkey?: object;
}

/** What a user gives who uses a link. */
export interface LinkUse extends GivenLink {
  readonly password: Secret;
  /** What the authenticator app shows. */
  readonly code?: string | undefined;
  /** What the browser answered, as JSON. */
  readonly passkey?: string | undefined;
}

/** What a link proved that the user has. */
type NewFactor = Pick<UserSecrets, "totp" | "passkeys">;

export const INVITE = "invite";
const MAX_ATTEMPTS = 5;
/** Of one user there is one, unless several were made at the same moment; a store takes 50 writes at once. */
const MOST_LINKS = 40;

/** The links of one cluster's users, from the user's side; `People` makes them. */
export class Links {
  readonly #options: LinksOptions;
  readonly #secrets: SecretsStore;
  readonly #noted: AddressLimiter;

  constructor(options: LinksOptions) {
    this.#options = options;
    this.#secrets = new SecretsStore(options.cluster.store, options.ring);
    this.#noted = new AddressLimiter(options.clock, NOTE_RULE);
  }

  /**
   * What a link is for. Nothing is used up by looking; the secret that is shown for the app is kept sealed with the link.
   *
   * @throws PosternError `invite_unknown`, `invite_expired`, `invite_used`, in the same words
   */
  async open(given: GivenLink): Promise<OpenedLink> {
    return this.#noting(given, async () => {
      const { secondFactor, cluster } = this.#options;
      const { record } = await this.#usable(given);
      const { user, expires, token_hash: subject } = record;
      if (secondFactor === "off") return { user, expires };
      if (secondFactor === "webauthn")
        return { user, expires, passkey: await this.#passkeys().creationOptions(user, subject) };
      const secret = await this.#totpOf(given);
      return { user, expires, totp: { secret, uri: totpUri(secret, cluster.name, user) } };
    });
  }

  /**
   * Sets the password by a link, and with it the second factor, which must be shown to work. All of it happens, or none.
   *
   * @returns the user's name
   * @throws PosternError as `open`, `password_invalid`, `password_busy`, `code_invalid`, `passkey_invalid`,
   * `audit_unavailable`
   */
  async use(use: LinkUse): Promise<string> {
    const { events, passwords } = this.#options;
    requireAudit(events, "set the password");
    const { user, factor } = await this.#noting(use, async () => {
      const { record, totp } = await this.#usable(use);
      const hashed = await passwords.hash(use.password);
      const proved = await this.#prove(use, record, totp);
      return { user: await this.#settle(use, hashed, proved), factor: proved };
    });
    await events.record({ event: "user.password_change", code: "T1005I", user, "addr.remote": use.address });
    const type = factor.passkeys !== undefined ? "webauthn" : factor.totp !== undefined ? "totp" : undefined;
    if (type !== undefined)
      await events.record({ event: "mfa.add", code: "T1006I", user, mfa_device: { mfa_device_type: type } });
    return user;
  }

  async #prove({ code, passkey }: LinkUse, record: InviteRecord, sealed: string | undefined): Promise<NewFactor> {
    const { secondFactor, ring, clock } = this.#options;
    if (secondFactor === "off") return {};
    if (secondFactor === "webauthn") {
      const verdict = await this.#passkeys().register(passkey ?? "", record.token_hash);
      if (!verdict.ok) throw passkeyInvalid(verdict.reason);
      return { passkeys: [verdict.passkey] satisfies Passkey[] };
    }
    if (sealed === undefined) throw codeInvalid();
    const secret = ring.open(sealed, linkContext(record));
    const verdict = checkTotp({ secret, code: code ?? "", lastCounter: undefined, now: clock.now() });
    if (!verdict.ok) throw codeInvalid();
    return { totp: { secret, lastCounter: verdict.counter } };
  }

  /** Link and password in one write: whoever comes second with the same link finds it used. */
  async #settle(use: LinkUse, password: string, factor: NewFactor): Promise<string> {
    const { cluster, clock, secondFactor } = this.#options;
    for (let round = 1; ; round++) {
      const { record, revision, known } = await this.#usable(use);
      const { user } = record;
      const { secrets, revision: kept } = await this.#secrets.read(user);
      // What was set up before ends with it: whoever has that may be why there is a link.
      const factors = secondFactor === "off" ? secrets : factor;
      const { kind, name, expiresAt } = storedLink(record);
      const value = { ...useInvite(record, use.token, clock.now()) };
      const writes: Write[] = [
        { op: "update", kind, name, value, expiresAt, revision },
        { op: "expect", kind: "user", name: user, revision: known },
        this.#secrets.writeOf(user, { ...factors, password, ...NO_TRIES }, kept),
      ];
      // With the old password end the logins by it.
      if (kept !== undefined) writes.push(await resetNoted(cluster.store, user, clock.now()));
      try {
        await cluster.store.write(writes);
        return user;
      } catch (thrown) {
        if (!isRace(thrown) || round === MAX_ATTEMPTS) throw thrown;
      }
    }
  }

  /** The secret that a link shows, made when it is opened first. */
  async #totpOf(given: GivenLink): Promise<Secret> {
    const { cluster, ring } = this.#options;
    for (let round = 1; ; round++) {
      const { record, totp, revision } = await this.#usable(given);
      if (totp !== undefined) return ring.open(totp, linkContext(record));
      const { secret } = freshTotp();
      const { kind, name, expiresAt } = storedLink(record);
      const value = { ...record, totp: ring.seal(secret, linkContext(record)) };
      try {
        await cluster.store.write([{ op: "update", kind, name, value, expiresAt, revision }]);
        return secret;
      } catch (thrown) {
        // It was opened twice at once: both show what the first one made.
        if (!isRace(thrown) || round === MAX_ATTEMPTS) throw thrown;
      }
    }
  }

  /** @throws PosternError `invite_unknown`, `invite_expired`, `invite_used` */
  async #usable({ token, kind }: GivenLink): Promise<{
    readonly record: InviteRecord;
    readonly totp: string | undefined;
    readonly revision: string;
    /** Revision of the user whom the link is for. */
    readonly known: string;
  }> {
    const { cluster, clock } = this.#options;
    const name = inviteNameOf(token);
    const found = name === undefined ? undefined : await cluster.store.get(INVITE, name);
    if (found === undefined) throw refusal(token, clock.now());
    const { totp, ...record } = found.value as unknown as InviteRecord & { readonly totp?: string };
    useInvite(record, token, clock.now());
    // In this order: who is made after it is looked at whether the link's user was removed is not who was found here.
    const known = await cluster.store.get("user", record.user);
    const isOver = await wasRemovedSince(cluster.store, record.user, record.created);
    if (known === undefined || record.kind !== kind || isOver) throw refusal(token, clock.now());
    return { record, totp, revision: found.revision, known: known.revision };
  }

  #passkeys(): Passkeys {
    const { passkeys } = this.#options;
    if (passkeys === undefined) throw new Error("Links of a cluster with passkeys are served without any");
    return passkeys;
  }

  async #noting<T>({ token, address }: GivenLink, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      if (!(thrown instanceof PosternError) || this.#noted.take(address ?? "") > 0) throw thrown;
      const name = inviteNameOf(token);
      // What is refused stays refused, whether or not that can be recorded.
      await (async () => {
        const found = name === undefined ? undefined : await this.#options.cluster.store.get(INVITE, name);
        const { user } = (found?.value ?? {}) as { readonly user?: string };
        const reason = thrown instanceof RefusedPasskeyError ? `${thrown.code}: ${thrown.why}` : thrown.code;
        const facts = { user: user ?? "", "addr.remote": address, reason };
        await this.#options.events.record({ event: "postern.link.refused", code: "PLK01W", ...facts });
      })().catch(() => undefined);
      throw thrown;
    }
  }
}

/** Where a link is kept. */
export function storedLink(record: InviteRecord): {
  readonly kind: string;
  readonly name: string;
  readonly value: StoredValue;
  readonly expiresAt: number;
} {
  return { kind: INVITE, name: record.token_hash, value: { ...record }, expiresAt: record.expires };
}

/** The writes by which all links of a user end that there are now. */
export async function linksEnded(store: Store, user: string): Promise<Write[]> {
  const links = (await store.list(INVITE)).filter(({ value }) => (value as { user?: unknown }).user === user);
  return links.slice(0, MOST_LINKS).map(({ name, revision }) => ({ op: "delete", kind: INVITE, name, revision }));
}

/** Where the second factor belongs that a link is to set up. */
export function linkContext({ token_hash }: Pick<InviteRecord, "token_hash">): SealingContext {
  return { kind: INVITE, name: token_hash, purpose: "second factor" };
}

/** What using a link that is not there throws: in the same words as everything else about links. */
function refusal(token: Secret, now: number): unknown {
  try {
    return useInvite(undefined, token, now);
  } catch (thrown) {
    return thrown;
  }
}

function codeInvalid(): PosternError {
  return new PosternError("code_invalid", "Cannot set the password: the code of the authenticator app is not right", {
    hint: "wait for the next code, and see that the clock of the device is right",
  });
}

/** What exactly is wrong with a passkey is for the log. */
class RefusedPasskeyError extends PosternError {
  readonly why: string;

  constructor(why: string) {
    super("passkey_invalid", "Cannot set the password: the passkey was not made, or took too long", {
      hint: "try again",
    });
    this.why = why;
  }
}

function passkeyInvalid(why: string): PosternError {
  return new RefusedPasskeyError(why);
}
