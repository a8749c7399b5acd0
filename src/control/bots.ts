/** Bots: programs that join by a token of the platform that they run on, and are a user for an hour at most. */

import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import type { Secret } from "../base/secret.ts";
import { openAuthority } from "../identity/authority-keys.ts";
import { issueUserCertificate } from "../identity/certificates.ts";
import type { JoinToken } from "../identity/join-tokens.ts";
import { lockMessage } from "../identity/lock.ts";
import { quoted } from "../identity/names.ts";
import { BOT_TRAIT, type Principal } from "../identity/principal.ts";
import { readPublicKey } from "../identity/public-key.ts";
import { readWorkloadToken, requireRule, type TokenJudging } from "../identity/workload-tokens.ts";
import type { Connected } from "./callers.ts";
import type { HostCertificatesOptions } from "./host-certificates.ts";
import { JoinAttempts, type JoinEvent } from "./join-attempts.ts";
import { type Login, lifetimeOf } from "./admission.ts";
import { earliestIssue } from "./removed-users.ts";
import { shownToken, useToken } from "./token-uses.ts";
import { World } from "./world.ts";

export interface BotsOptions extends HostCertificatesOptions {
  readonly keysOf: TokenJudging["keysOf"];
}

/** What a bot says that wants to join. */
export interface BotAttempt {
  /** Name of the join token; no secret. */
  readonly token: string;
  /** What its platform signed. */
  readonly jwt: Secret;
  /** PEM of the key that the certificate is for. */
  readonly publicKey: string;
  /** Milliseconds that it asks for. */
  readonly lifetime?: number | undefined;
}

/** Nothing renews it: a bot that needs longer proves again where it runs. */
const LONGEST_MS = 3_600_000;

/** How far an attempt came. */
interface Course {
  user: string;
  method: string;
  attributes: Readonly<Record<string, string>> | null;
}

/** The bots of one cluster. */
export class Bots {
  readonly #options: BotsOptions;
  readonly #attempts: JoinAttempts;

  constructor(options: BotsOptions) {
    this.#options = options;
    this.#attempts = new JoinAttempts(options);
  }

  /**
   * Lets a bot in as the user that the join token names, with that user's roles of now.
   *
   * @throws PosternError `join_refused` in the same words for a join token that is unknown, too old, used up or for
   * something else; `workload_token_refused`, `issuer_unavailable`, `bot_user_missing`, `user_locked`, `join_limited`,
   * `join_busy`, `public_key_invalid`, `audit_unavailable`
   */
  join(attempt: BotAttempt, { address }: Connected): Promise<Login> {
    const { cluster } = this.#options;
    const course: Course = { user: "", method: "", attributes: null };
    const eventOf = async (error: string | null): Promise<JoinEvent> => ({
      event: "bot.join",
      code: error === null ? "TJ001I" : "TJ001E",
      user: course.user,
      token_name: await shownToken(cluster.store, attempt.token),
      method: course.method,
      role: "bot",
      host_id: null,
      node_name: "",
      attributes: course.attributes,
      "addr.remote": address,
      success: error === null,
      error,
    });
    return this.#attempts.run(address, () => this.#join(attempt, course), eventOf);
  }

  async #join({ token: name, jwt, publicKey, lifetime }: BotAttempt, course: Course): Promise<Login> {
    const { cluster, clock, keysOf } = this.#options;
    // What can get no certificate uses nothing up.
    readPublicKey(publicKey);
    let read: ReturnType<typeof readWorkloadToken> | undefined;
    const admit = async (token: JoinToken): Promise<{ admitted: Admitted; writes: [] }> => {
      const { bot, method } = token;
      if (bot === undefined) throw new PosternError("join_token_unfit", "Cannot join: the token is for no bot");
      course.user = bot.user;
      course.method = method;
      read ??= readWorkloadToken(jwt.reveal(), bot, { audience: cluster.name, clock, keysOf });
      course.attributes = await read;
      requireRule(course.attributes, bot);
      return { admitted: await this.#userOf(bot.user, name), writes: [] };
    };
    const { admitted } = await useToken(cluster.store, name, { role: "bot", now: clock.now() }, admit);
    const certificate = await this.#issue(admitted, publicKey, lifetime ?? LONGEST_MS);
    return { principal: admitted.principal, certificate };
  }

  async #userOf(user: string, token: string): Promise<Admitted> {
    const { cluster, clock } = this.#options;
    // Before the user is read: a removal or a reset after that voids the certificate, one before it does not.
    const at = await earliestIssue(cluster.store, user, clock.now());
    const directory = (await World.around(user, [], cluster.store, clock)).directoryFor(user);
    const lock = directory.lockOf(user);
    if (lock !== undefined)
      throw new PosternError("user_locked", `Cannot join as ${quoted(user)}: the user is locked${lockMessage(lock)}`);
    const known = directory.principalOf(user);
    if (known === undefined)
      throw new PosternError("bot_user_missing", `Cannot join as ${quoted(user)}: there is no such user`, {
        hint: "ask an administrator to make it: kind user, with the bot's roles",
      });
    const principal = { ...known, traits: { ...known.traits, [BOT_TRAIT]: [token] }, mfaVerified: false };
    return { principal, longest: lifetimeOf(known.roles, directory, LONGEST_MS), at };
  }

  async #issue(
    { principal, longest, at }: Admitted,
    publicKey: string,
    lifetime: number,
  ): Promise<Login["certificate"]> {
    const { cluster, ring, clock, events } = this.#options;
    const signer = await openAuthority(await cluster.authority("user"), ring);
    const then: Clock = { now: () => at, monotonic: () => clock.monotonic() };
    const issued = await issueUserCertificate(signer, { user: principal, publicKey, lifetime, longest }, then);
    const { name, roles } = principal;
    await events.record({
      event: "cert.create",
      code: "TC000I",
      user: name,
      cert_type: "user",
      identity: { name, roles, serial: issued.serial, expires: new Date(issued.expires).toISOString() },
    });
    return issued;
  }
}

interface Admitted {
  readonly principal: Principal;
  /** Milliseconds. */
  readonly longest: number;
  /** The instant of which the certificate says that it was issued, in milliseconds since the epoch. */
  readonly at: number;
}
