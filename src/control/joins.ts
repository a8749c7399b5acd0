/** Services join the cluster, by a token or an AWS identity, for a host certificate. */

import { newId } from "../base/ids.ts";
import type { Issued } from "../identity/authority-keys.ts";
import type { HostRole } from "../identity/certificate-claims.ts";
import type { HostDatabases } from "../identity/host-databases.ts";
import { type JoinToken, maskedName } from "../identity/join-tokens.ts";
import { readPublicKey } from "../identity/public-key.ts";
import type { Write } from "../store/store.ts";
import type { Connected } from "./callers.ts";
import {
  certifyHost,
  HOST_LIFETIME_MS,
  type HostCertificatesOptions,
  readHostCertificate,
} from "./host-certificates.ts";
import {
  type HostRecord,
  hostWrite,
  type ReadHost,
  readHost,
  requireIdentityUnlocked,
  requireUnlocked,
} from "./hosts.ts";
import { type AskSts, confirmIdentity, type IdentityProof, requireAllowed } from "./identity-proofs.ts";
import { JoinAttempts, type JoinEvent } from "./join-attempts.ts";
import { type GivenChallenge, JoinChallenges } from "./join-challenges.ts";
import { shownToken, useToken } from "./token-uses.ts";

export interface JoinsOptions extends HostCertificatesOptions {
  readonly askSts: AskSts;
}

/** What a service says that wants to join. */
export interface ServiceJoin {
  /** Name of the token: for method `token` the secret. */
  readonly token: string;
  readonly role: HostRole;
  readonly nodeName: string;
  /** PEM of the key that the certificate is for. */
  readonly publicKey: string;
  /** For method `iam`. */
  readonly identity?: IdentityProof | undefined;
}

/** A service that is in. */
export interface Joined {
  readonly hostId: string;
  readonly role: HostRole;
  readonly certificate: Issued;
  /** Whether the certificate is enough for the next one; else what was proved is to be proved again. */
  readonly renewable: boolean;
}

/** How far an attempt came. */
interface Course {
  hostId: string | null;
  attributes: Readonly<Record<string, string>> | null;
}

/** A service that joined before and proves itself again. */
interface KnownHost extends ReadHost {
  readonly hostId: string;
}

/** The joins of one cluster's services. */
export class Joins {
  readonly #options: JoinsOptions;
  readonly #attempts: JoinAttempts;
  readonly #challenges: JoinChallenges;

  constructor(options: JoinsOptions) {
    const { cluster, ring, clock } = options;
    this.#options = options;
    this.#attempts = new JoinAttempts(options);
    this.#challenges = new JoinChallenges(ring, cluster.name, clock);
  }

  /** A challenge to sign; `expires` in milliseconds since the epoch. @throws PosternError `join_limited`, `audit_unavailable` */
  challenge({ address }: Connected): { readonly challenge: string; readonly expires: number } {
    this.#attempts.take(address);
    return this.#challenges.make();
  }

  /**
   * Lets a service in. A use of the token counts before the certificate is given, and a proof counts once. Who shows a
   * certificate of its own beside the AWS identity stays the host that it is.
   *
   * @throws PosternError `join_refused` in the same words for a token that is unknown, too old, used up or for something
   * else; `identity_…`, `join_challenge_refused`, `host_locked`, `join_limited`, `join_busy`, `sts_unavailable`,
   * `public_key_invalid`, `audit_unavailable`
   */
  join(join: ServiceJoin, connected: Connected): Promise<Joined> {
    const { token: name, role, nodeName, publicKey, identity } = join;
    const course: Course = { hostId: null, attributes: null };
    const { cluster } = this.#options;
    const eventOf = async (error: string | null): Promise<JoinEvent> => ({
      event: "instance.join",
      code: error === null ? "TJ002I" : "TJ002E",
      token_name: await shownToken(cluster.store, name),
      method: identity === undefined ? "token" : "iam",
      role,
      host_id: course.hostId,
      node_name: nodeName,
      attributes: course.attributes,
      "addr.remote": connected.address,
      success: error === null,
      error,
    });
    const work = async (): Promise<Joined> => {
      // What can get no certificate uses nothing up.
      readPublicKey(publicKey);
      const { token, hostId } = await this.#admit(join, connected, course);
      const databases = databasesBy(token, role);
      const certificate = await certifyHost(this.#options, { hostId, role, databases, publicKey });
      course.hostId = hostId;
      return { hostId, role, certificate, renewable: token.method === "token" };
    };
    return this.#attempts.run(connected.address, work, eventOf);
  }

  /** Judges token and proof, and notes their use and the host in one write. */
  async #admit(
    { token: name, role, nodeName, publicKey, identity }: ServiceJoin,
    connected: Connected,
    course: Course,
  ): Promise<{ readonly token: JoinToken; readonly hostId: string }> {
    const { cluster, clock, askSts } = this.#options;
    const { store } = cluster;
    const method = identity === undefined ? "token" : "iam";
    const challenge = identity === undefined ? undefined : this.#challenges.open(identity.challenge);
    let confirmed: ReturnType<typeof confirmIdentity> | undefined;
    const admit = async (token: JoinToken): Promise<{ admitted: string; writes: readonly Write[] }> => {
      if (identity !== undefined) {
        // STS is asked once, however often a race is lost; and not for who knows of no token.
        confirmed ??= confirmIdentity(identity, readPublicKey(publicKey), clock.now(), askSts);
        const proved = await confirmed;
        course.attributes = { aws_account: proved.account, aws_arn: proved.arn };
        requireAllowed(proved, token.allow);
        await requireIdentityUnlocked(store, proved.arn, clock.now());
      }
      const known = await this.#knownHost(connected);
      const stays = known !== undefined && isSame(known, token, role) ? known : undefined;
      const hostId = stays?.hostId ?? newId();
      const arn = course.attributes?.["aws_arn"];
      const record: HostRecord = {
        role,
        node_name: nodeName,
        method,
        token: maskedName(token),
        joined: clock.now(),
        ...(arn === undefined ? {} : { aws_arn: arn }),
        databases: databasesBy(token, role),
      };
      const writes = [
        ...(await this.#usesOf(challenge)),
        hostWrite(hostId, record, clock.now() + HOST_LIFETIME_MS, stays?.revision),
      ];
      return { admitted: hostId, writes };
    };
    const { token, admitted } = await useToken(store, name, { role, method, now: clock.now() }, admit);
    return { token, hostId: admitted };
  }

  async #usesOf(challenge: GivenChallenge | undefined): Promise<Write[]> {
    if (challenge === undefined) return [];
    await this.#challenges.requireUnused(challenge, this.#options.cluster.store);
    return [this.#challenges.use(challenge)];
  }

  /** The host whose certificate the connection shows; one that does not count is none. @throws PosternError `host_locked` */
  async #knownHost({ certificate }: Connected): Promise<KnownHost | undefined> {
    if (certificate === undefined) return undefined;
    const { cluster, clock } = this.#options;
    const shown = await readHostCertificate(this.#options, certificate).catch(() => undefined);
    if (shown === undefined) return undefined;
    await requireUnlocked(cluster.store, shown.hostId, clock.now());
    const found = await readHost(cluster.store, shown.hostId);
    return found === undefined ? undefined : { ...found, hostId: shown.hostId };
  }
}

function databasesBy({ databases }: JoinToken, role: HostRole): HostDatabases {
  return role === "db" ? databases : undefined;
}

function isSame({ record }: KnownHost, token: JoinToken, role: HostRole): boolean {
  return token.method !== "token" && record.role === role && record.token === maskedName(token);
}
