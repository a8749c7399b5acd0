/** Credentials for a user's AWS role: which STS calls lead there, and the caches that make them rare (docs/adr/0005). */

import type { Clock } from "../base/clock.ts";
import { roleArn } from "./arn.ts";
import { AwsCredentials } from "./aws-credentials.ts";
import { CredentialCache } from "./credential-cache.ts";
import type { Database } from "./database.ts";
import { AwsError } from "./errors.ts";
import { partitionOf } from "./partitions.ts";
import { sessionName, userTagValue } from "./session-name.ts";
import type { AssumeRoleCall, Sts } from "./sts.ts";

export type { AwsCredentials } from "./aws-credentials.ts";

/** Whose credentials are wanted, and for where. */
export interface CredentialRequest {
  readonly database: Database;
  /** The role's full ARN, as `roleArn` spells it. */
  readonly roleArn: string;
  /** The user's name, the whole of it. */
  readonly user: string;
  /** When the user's own session ends, in milliseconds since the epoch; absent when it does not. */
  readonly session: { readonly expiresAt?: number | undefined };
}

/** What a `CredentialSource` is made of. */
export interface CredentialSourceOptions {
  readonly sts: Sts;
  readonly clock: Clock;
  /** A number in [0, 1), for jitter. */
  readonly random: () => number;
  /** `AWS_REGION` is read: STS is asked there when it is in the database's partition, else in the database's region. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Names the session of a first hop, which many users share. Default `postern`. */
  readonly agent?: string | undefined;
  /** Most sessions kept, default 10,000 (about 2 KB each). */
  readonly maxSessions?: number | undefined;
  /** Most STS calls for users under way at once, default 256. */
  readonly maxInFlight?: number | undefined;
  /** Hears of renewals that failed while the old credentials still serve. */
  readonly onRefreshFailure?: ((error: AwsError, roleArn: string) => void) | undefined;
}

/** Seconds until credentials that are held expire: the soonest of each role of each database. */
export interface CredentialAge {
  readonly database: string;
  readonly roleArn: string;
  readonly secondsToExpiry: number;
}

/** Whether credentials can be had at all. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly error: AwsError };

/** Gives out credentials of AWS roles; holds no timer and, past what STS keeps open, no connection. */
export class CredentialSource {
  readonly #options: CredentialSourceOptions;
  readonly #own: CredentialCache<undefined>;
  readonly #firstHops: CredentialCache<Database>;
  readonly #sessions: CredentialCache<CredentialRequest>;
  readonly #prefixes = new WeakMap<Database, string>();

  constructor(options: CredentialSourceOptions) {
    const { clock, random, onRefreshFailure } = options;
    this.#options = options;
    this.#own = new CredentialCache({
      fetch: () => options.sts.ownCredentials(),
      onRefreshFailure: (error) => onRefreshFailure?.(error, "(own credentials)"),
      clock,
      random,
      max: 1,
      maxInFlight: 1,
    });
    this.#firstHops = new CredentialCache({
      fetch: (database) => this.#assumeFirst(database),
      onRefreshFailure: (error, database) => onRefreshFailure?.(error, database.assumeRoleArn ?? ""),
      clock,
      random,
      max: 1000,
      maxInFlight: 64,
    });
    this.#sessions = new CredentialCache({
      fetch: (request) => this.#assume(request),
      onRefreshFailure: (error, request) => onRefreshFailure?.(error, request.roleArn),
      clock,
      random,
      max: options.maxSessions ?? 10_000,
      maxInFlight: options.maxInFlight ?? 256,
    });
  }

  /** The credentials if they are at hand: the hot path, without a promise. Starts their renewal when it is due. */
  peek(request: CredentialRequest): AwsCredentials | undefined {
    if (this.#isOver(request)) return undefined;
    return this.#sessions.peek(this.#key(request), request);
  }

  /**
   * The credentials of a role for a user, from the cache or from STS.
   *
   * @throws AwsError with a code of credentials or STS, or `session_expired` when the user's session is over.
   */
  credentialsFor(request: CredentialRequest): Promise<AwsCredentials> {
    if (this.#isOver(request)) {
      const message = `Cannot get credentials of "${request.roleArn}" for user ${JSON.stringify(request.user)}: the session is over`;
      return Promise.reject(new AwsError("session_expired", message, { hint: "log in again" }));
    }
    return this.#sessions.obtain(this.#key(request), request);
  }

  /** Forgets credentials that AWS has refused, so that the next request asks STS again. */
  invalidate(request: CredentialRequest, credentials: AwsCredentials): void {
    this.#sessions.drop(this.#key(request), credentials);
  }

  /** Whether Postern's own credentials can be resolved; ready at once when none of these databases needs them. */
  async probe(databases: Iterable<Database>): Promise<Readiness> {
    if (![...databases].some((database) => this.#asksSts(database))) return { ready: true };
    try {
      await this.#own.obtain(OWN, undefined);
      return { ready: true };
    } catch (error) {
      if (error instanceof AwsError) return { ready: false, error };
      throw error;
    }
  }

  /** The ages of the credentials held, for a gauge. */
  ages(): CredentialAge[] {
    const now = this.#options.clock.now();
    const soonest = new Map<string, CredentialAge>();
    for (const { request, credentials } of this.#sessions.held()) {
      if (credentials.expiresAt === Number.POSITIVE_INFINITY) continue;
      const key = `${request.database.name} ${request.roleArn}`;
      const secondsToExpiry = (credentials.expiresAt - now) / 1000;
      if (secondsToExpiry < (soonest.get(key)?.secondsToExpiry ?? Number.POSITIVE_INFINITY)) {
        soonest.set(key, { database: request.database.name, roleArn: request.roleArn, secondsToExpiry });
      }
    }
    return [...soonest.values()];
  }

  /** Ends the connections to STS. */
  close(): void {
    this.#options.sts.close();
  }

  #isOver({ session }: CredentialRequest): boolean {
    return session.expiresAt !== undefined && session.expiresAt <= this.#options.clock.now();
  }

  /** An emulator gets credentials of its own, unless an STS has been named to go with it. */
  #asksSts(database: Database): boolean {
    return !database.emulator || this.#options.sts.isOverridden;
  }

  /** All that decides which credentials STS would give. A database is immutable, so its part is made once. */
  #key(request: CredentialRequest): string {
    let prefix = this.#prefixes.get(request.database);
    if (prefix === undefined) {
      const {
        name,
        accountId,
        partition,
        region,
        assumeRoleArn,
        externalId,
        sessionTags,
        identityTags,
        emulator,
        fips,
      } = request.database;
      const parts = [
        name,
        accountId,
        partition,
        region,
        assumeRoleArn ?? null,
        externalId ?? null,
        sessionTags,
        identityTags,
      ];
      prefix = `${JSON.stringify([...parts, emulator, fips, this.#region(request.database)])}\n`;
      this.#prefixes.set(request.database, prefix);
    }
    // An ARN has no line break, so the parts cannot run into each other; distinct users have distinct session names.
    return `${prefix}${request.roleArn}\n${request.user}`;
  }

  async #assume(request: CredentialRequest): Promise<AwsCredentials> {
    const { database, user, session } = request;
    const wanted = roleArn(request.roleArn, database);
    if (!this.#asksSts(database)) return EMULATOR_CREDENTIALS;
    const { userTag, sourceIdentity } = database.identityTags;
    const name = sessionName(user);
    const tags = userTag === null ? database.sessionTags : { ...database.sessionTags, [userTag]: userTagValue(user) };
    const left = session.expiresAt === undefined ? MAX_SECONDS : (session.expiresAt - this.#options.clock.now()) / 1000;
    const call = {
      ...this.#where(database),
      roleArn: wanted,
      sessionName: name,
      durationSeconds: Math.min(Math.max(Math.floor(left), MIN_SECONDS), MAX_SECONDS),
      // Where there is a first hop, the external id is between that role and us.
      externalId: database.assumeRoleArn === undefined ? database.externalId : undefined,
      tags,
      sourceIdentity: sourceIdentity ? name : undefined,
    };
    return database.assumeRoleArn === undefined
      ? await this.#call(call, this.#own, OWN, undefined)
      : await this.#call(call, this.#firstHops, this.#firstKey(database), database);
  }

  #assumeFirst(database: Database): Promise<AwsCredentials> {
    const call = {
      ...this.#where(database),
      roleArn: database.assumeRoleArn ?? "",
      sessionName: sessionName(this.#options.agent ?? "postern"),
      durationSeconds: MAX_SECONDS,
      externalId: database.externalId,
      tags: {},
      sourceIdentity: undefined,
    };
    return this.#call(call, this.#own, OWN, undefined);
  }

  /** One AssumeRole with the credentials that a cache holds; if AWS refuses those, the cache forgets them. */
  async #call<R>(
    call: Omit<AssumeRoleCall, "credentials">,
    cache: CredentialCache<R>,
    key: string,
    request: R,
  ): Promise<AwsCredentials> {
    const credentials = await cache.obtain(key, request);
    try {
      return await this.#options.sts.assumeRole({ ...call, credentials });
    } catch (error) {
      if (error instanceof AwsError && error.code === "credentials_rejected") cache.drop(key, credentials);
      throw error;
    }
  }

  #firstKey(database: Database): string {
    return JSON.stringify([database.assumeRoleArn, database.externalId ?? null, this.#where(database)]);
  }

  #where(database: Database): { readonly region: string; readonly fips: boolean } {
    const region = this.#region(database);
    // STS has FIPS endpoints in the regions of the United States only; elsewhere its regional endpoint is all there is.
    return { region, fips: database.fips && region.startsWith("us-") };
  }

  #region(database: Database): string {
    const own = this.#options.env["AWS_REGION"];
    if (own === undefined || own === "" || database.emulator) return database.region;
    try {
      return partitionOf(own).id === database.partition ? own : database.region;
    } catch {
      return database.region;
    }
  }
}

const OWN = "own";
const MIN_SECONDS = 900;
// One role assumed from another gets an hour at most, and an agent's own credentials are a role's more often than not.
const MAX_SECONDS = 3600;

// Emulators take any well-formed key; some keep separate data for each, so there is one for all.
const EMULATOR_CREDENTIALS = new AwsCredentials({
  accessKeyId: "POSTERNEMULATOR",
  secretAccessKey: "postern-emulator",
});
