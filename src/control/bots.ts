/** Bots: programs that join by a token of the platform that they run on, and are a user for an hour at most. */

import { PosternError } from "../base/errors.ts";
import type { Secret } from "../base/secret.ts";
import type { JoinToken } from "../identity/join-tokens.ts";
import { lockMessage } from "../identity/lock.ts";
import { quoted } from "../identity/names.ts";
import { BOT_TRAIT } from "../identity/principal.ts";
import { readPublicKey } from "../identity/public-key.ts";
import { readWorkloadToken, requireRule, type TokenJudging } from "../identity/workload-tokens.ts";
import type { Connected } from "./callers.ts";
import type { HostCertificatesOptions } from "./host-certificates.ts";
import { JoinAttempts, type JoinEvent } from "./join-attempts.ts";
import type { Login } from "./admission.ts";
import { shownToken, useToken } from "./token-uses.ts";
import { certifyUser, type Entitled, entitledNow } from "./user-certificates.ts";

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
   * something else; `workload_token_refused`, `issuer_unavailable`, `bot_user_missing`, `bot_user_foreign`, `user_locked`,
   * `join_limited`, `join_busy`, `public_key_invalid`, `audit_unavailable`
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
    const admit = async (token: JoinToken): Promise<{ admitted: Entitled; writes: [] }> => {
      const { bot, method } = token;
      if (bot === undefined) throw new PosternError("join_token_unfit", "Cannot join: the token is for no bot");
      course.user = bot.user;
      course.method = method;
      read ??= readWorkloadToken(jwt.reveal(), bot, { audience: cluster.name, clock, keysOf });
      course.attributes = await read;
      requireRule(course.attributes, bot);
      return { admitted: await this.#userOf(bot.user, name, lifetime), writes: [] };
    };
    const { admitted } = await useToken(cluster.store, name, { role: "bot", now: clock.now() }, admit);
    const certificate = await certifyUser(this.#options, admitted, { publicKey });
    return { principal: admitted.user, certificate };
  }

  async #userOf(user: string, token: string, lifetime = LONGEST_MS): Promise<Entitled> {
    const found = await entitledNow(this.#options, { user, lifetime: Math.min(lifetime, LONGEST_MS) });
    if (!("refused" in found)) {
      const traits = { ...found.user.traits, [BOT_TRAIT]: [token] };
      return { ...found, user: { ...found.user, traits, mfaVerified: false } };
    }
    const attempt = `Cannot join as ${quoted(user)}`;
    switch (found.refused) {
      case "locked":
        throw new PosternError("user_locked", `${attempt}: the user is locked${lockMessage(found.lock)}`);
      case "undefined":
        throw new PosternError("bot_user_missing", `${attempt}: there is no such user`, {
          hint: "ask an administrator to make it: kind user, with the bot's roles",
        });
      case "foreign": {
        const connector = quoted(found.origin?.connector ?? "");
        throw new PosternError("bot_user_foreign", `${attempt}: connector ${connector} vouches for that user`, {
          hint: "ask an administrator to make a user for the bot alone, and to name it in the join token",
        });
      }
    }
  }
}
