/** What a configuration says once it has been read: every default filled in, every path absolute. */

import type { DatabaseSpec } from "../aws/database.ts";
import type { Secret } from "../base/secret.ts";
import type { SourcePosition } from "../base/errors.ts";
import type { DocumentPath } from "../identity/problem.ts";
import type { SecondFactor } from "../identity/second-factor.ts";
import type { ListenAddress } from "./address.ts";
import type { PositionedProblem } from "./problem.ts";
import type { DatabaseSelector } from "./selector-schema.ts";

/** A configuration. Keys are those of the file. */
export interface Config {
  /** The file, absolute. */
  readonly file: string;
  readonly postern: PosternSection;
  readonly policy: PolicySection;
  readonly db_service: DbServiceSection;
  readonly auth_service?: AuthServiceSection;
  readonly proxy_service?: ProxyServiceSection;
  /** What was read but does nothing yet. */
  readonly warnings: readonly PositionedProblem[];
  /** Where a path of the file stands, for errors that show up later. */
  positionOf(path: DocumentPath): SourcePosition;
}

/** `postern`, or `teleport` as in Teleport's own files. */
export interface PosternSection {
  readonly nodename: string;
  readonly data_dir: string;
  readonly proxy_server?: string;
  readonly auth_token?: JoinToken;
  /** How an agent joins; for `iam`, `auth_token` is the token's name. */
  readonly join_method: "token" | "iam";
  readonly ca_pin: readonly string[];
  /** Directory of role, user, lock and db documents; absent: there are only the built-in roles. */
  readonly resources?: string;
  readonly workers: number;
  readonly audit: AuditSection;
  readonly log: LogSection;
  readonly diag_addr?: ListenAddress;
}

/** Where the join token is. */
export type JoinToken =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "token"; readonly token: Secret };

export interface AuditSection {
  readonly mode: "strict" | "best_effort";
  readonly fsync: "batch" | "always";
  /** What becomes of key and item values in events. */
  readonly redact: "hash" | "none";
}

export interface LogSection {
  readonly severity: "debug" | "info" | "warn" | "error";
  readonly format: "json" | "text";
}

export interface PolicySection {
  /** Directory of sources or a built bundle; absent: the built-in policy. */
  readonly bundle?: string;
}

export interface DbServiceSection {
  readonly enabled: boolean;
  readonly listeners: readonly ListenerSpec[];
  /** As written; src/aws/database.ts makes databases of them. */
  readonly databases: readonly DatabaseSpec[];
  /** Agent: which of the cluster's databases it serves as well. */
  readonly resources: readonly DatabaseSelector[];
}

/** Users, roles and certificates of a cluster. */
export interface AuthServiceSection {
  readonly enabled: boolean;
  readonly cluster_name: string;
  /** Of its own port; absent: it has none. */
  readonly listen_addr?: ListenAddress;
  readonly storage: StorageSection;
  readonly sealing: SealingSection;
  readonly authentication: { readonly second_factor: SecondFactor; readonly local_auth: boolean };
}

/** Where a cluster's resources are kept. */
export type StorageSection =
  | { readonly type: "sqlite"; readonly path: string }
  | { readonly type: "dynamodb"; readonly table: string; readonly region: string; readonly endpoint?: string };

/** Where the keys are that seal a cluster's secrets. */
export type SealingSection =
  | { readonly type: "file"; readonly path: string }
  | { readonly type: "kms"; readonly key_id: string; readonly region: string; readonly endpoint?: string };

/** The one door of a cluster. */
export interface ProxyServiceSection {
  readonly enabled: boolean;
  readonly listen_addr: ListenAddress;
  readonly public_addr?: string;
  readonly max_connections: number;
  readonly max_connections_per_address: number;
}

/** An address and who speaks on it. */
export interface ListenerSpec {
  readonly address: ListenAddress;
  readonly user: string;
  readonly database: string;
  readonly db_user: string;
  /** In lower case, without port. */
  readonly host_names: readonly string[];
}
