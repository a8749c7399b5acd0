/** Who exists in the sandbox's AWS account: access keys, roles with their trust, and the temporary credentials it minted. */

import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { KnownKey } from "./sigv4.ts";

/** A role of the sandbox and who may assume it. */
export interface SandboxRole {
  readonly name: string;
  readonly trust: {
    /** ARNs of users or roles, or an account id for everybody in that account. */
    readonly principals: readonly string[];
    /** When set, a caller must present exactly this. */
    readonly externalId?: string;
    /** Tag keys a caller may set on the session; absent: none; `"any"`: all. */
    readonly sessionTags?: readonly string[] | "any";
    /** Whether a caller may set a source identity; absent: no. */
    readonly sourceIdentity?: boolean;
  };
  /** In seconds, from 3600 to 43200; absent: 3600, as in IAM. */
  readonly maxSessionDuration?: number;
}

/** The holder of an access key: a user of the account, or a session of a role. */
export interface SandboxPrincipal {
  readonly kind: "user" | "role-session";
  /** What GetCallerIdentity answers. */
  readonly arn: string;
  /** What a trust policy names: the user, or the role behind the session. */
  readonly trustedAs: string;
  readonly userId: string;
  readonly accountId: string;
  readonly role: string | null;
  readonly sessionName: string | null;
  readonly tags: Readonly<Record<string, string>>;
}

/** An access key with its holder. */
export interface SandboxKey extends KnownKey {
  readonly accessKeyId: string;
  readonly principal: SandboxPrincipal;
}

/** What a newly minted session consists of. */
export interface Minted {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
  readonly principal: SandboxPrincipal;
}

const maximumSessions = 10_000;

/** The account's users, roles and living sessions. Sessions are bounded: the oldest is forgotten first. */
export class Identities {
  readonly accountId: string;
  readonly #clock: Clock;
  readonly #keys = new Map<string, SandboxKey>();
  readonly #sessions = new Map<string, SandboxKey>();
  readonly #roles = new Map<string, SandboxRole>();

  constructor(accountId: string, roles: readonly SandboxRole[], clock: Clock) {
    this.accountId = accountId;
    this.#clock = clock;
    for (const role of roles) this.#roles.set(this.roleArn(role.name), role);
  }

  /** The ARN of a role of this account. */
  roleArn(name: string): string {
    return `arn:aws:iam::${this.accountId}:role/${name}`;
  }

  /** The role with this ARN, if the account has it. */
  findRole(arn: string): SandboxRole | undefined {
    return this.#roles.get(arn);
  }

  /** Adds a role, or replaces the one of the same name. */
  putRole(role: SandboxRole): void {
    this.#roles.set(this.roleArn(role.name), role);
  }

  /** Creates a user with one long-term access key. */
  addUser(name: string): SandboxKey {
    const key: SandboxKey = {
      accessKeyId: `AKIA${base32(10)}`,
      secretAccessKey: randomBytes(30).toString("base64"),
      principal: {
        kind: "user",
        arn: `arn:aws:iam::${this.accountId}:user/${name}`,
        trustedAs: `arn:aws:iam::${this.accountId}:user/${name}`,
        userId: `AIDA${base32(10)}`,
        accountId: this.accountId,
        role: null,
        sessionName: null,
        tags: {},
      },
    };
    this.#keys.set(key.accessKeyId, key);
    return key;
  }

  /** The key with this id, expired or not. */
  findKey(accessKeyId: string): SandboxKey | undefined {
    return this.#keys.get(accessKeyId) ?? this.#sessions.get(accessKeyId);
  }

  /** Issues temporary credentials for a session of `role`. */
  mint(role: SandboxRole, sessionName: string, seconds: number, tags: Readonly<Record<string, string>>): Minted {
    const minted: Minted = {
      accessKeyId: `ASIA${base32(10)}`,
      secretAccessKey: randomBytes(30).toString("base64"),
      sessionToken: randomBytes(180).toString("base64"),
      // STS stamps whole seconds.
      expiresAt: Math.floor(this.#clock.now() / 1000 + seconds) * 1000,
      principal: {
        kind: "role-session",
        arn: `arn:aws:sts::${this.accountId}:assumed-role/${role.name}/${sessionName}`,
        trustedAs: this.roleArn(role.name),
        userId: `${roleId(this.roleArn(role.name))}:${sessionName}`,
        accountId: this.accountId,
        role: role.name,
        sessionName,
        tags,
      },
    };
    this.#sessions.set(minted.accessKeyId, minted);
    if (this.#sessions.size > maximumSessions) {
      const oldest = this.#sessions.keys().next().value;
      if (oldest !== undefined) this.#sessions.delete(oldest);
    }
    return minted;
  }

  /** Forgets every session, so that credentials in use stop working at once. */
  revokeSessions(): void {
    this.#sessions.clear();
  }
}

function roleId(arn: string): string {
  const digest = createHash("sha256").update(arn).digest();
  return `AROA${base32Of(digest.subarray(0, 10))}`;
}

function base32(bytes: number): string {
  return base32Of(randomBytes(bytes));
}

/** RFC 4648 base 32 without padding, 16 characters for ten bytes. */
function base32Of(bytes: Uint8Array): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let bits = 0;
  let value = 0;
  let text = "";
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet.charAt((value >> bits) & 31);
    }
  }
  return text;
}
