/** The schema of the cluster's own services: `auth_service` and `proxy_service`. */

import * as z from "zod";
import { name } from "../identity/metadata.ts";
import { quoted } from "../identity/names.ts";
import { type SecondFactor, SECOND_FACTORS } from "../identity/second-factor.ts";
import { refuse, yesNo } from "../identity/shape.ts";
import { parseAddress } from "./address.ts";

/** `auth_service` as it is written. */
export interface AuthServiceDocument {
  readonly enabled: boolean;
  readonly cluster_name?: string | undefined;
  readonly listen_addr?: string | undefined;
  readonly storage: StorageDocument;
  readonly sealing: SealingDocument;
  readonly authentication: { readonly second_factor: SecondFactor; readonly local_auth: boolean };
}

/** `auth_service.storage` as it is written. */
export type StorageDocument =
  | { readonly type: "sqlite"; readonly path?: string | undefined }
  | {
      readonly type: "dynamodb";
      readonly table: string;
      readonly region: string;
      readonly endpoint?: string | undefined;
    };

/** `auth_service.sealing` as it is written. */
export type SealingDocument =
  | { readonly type: "file"; readonly path?: string | undefined }
  | {
      readonly type: "kms";
      readonly key_id: string;
      readonly region: string;
      readonly endpoint?: string | undefined;
    };

/** `proxy_service` as it is written. */
export interface ProxyServiceDocument {
  readonly enabled: boolean;
  readonly listen_addr: string;
  readonly public_addr?: string | undefined;
  readonly max_connections: number;
  readonly max_connections_per_address: number;
}

/** Users, roles and certificates of a cluster. */
export function authService(): z.ZodType<AuthServiceDocument> {
  return z.strictObject({
    enabled: yesNo().describe("Whether this process keeps the cluster's resources."),
    cluster_name: name().optional().describe("Name of the cluster, which never changes; absent: `postern.nodename`."),
    listen_addr: address()
      .optional()
      .describe(
        "A further address of the cluster's API, without web pages; absent: none, or `127.0.0.1:3025` where no other service is enabled.",
      ),
    storage: storage().prefault({ type: "sqlite" }).describe("Where users, roles, locks and databases are kept."),
    sealing: sealing().prefault({ type: "file" }).describe("By which keys the secrets in the store are sealed."),
    authentication: z
      .strictObject({
        type: z.literal("local", "expected local").optional().describe("Only `local`."),
        second_factor: z.enum(SECOND_FACTORS).default("otp").describe("What a login needs beside the password."),
        local_auth: yesNo()
          .default(true)
          .describe("Whether the cluster's own users log in; `no`: people come by connectors only."),
      })
      .transform(({ second_factor, local_auth }) => ({ second_factor, local_auth }))
      .prefault({})
      .describe("How people log in."),
  });
}

/** Connections that a door takes from everybody together. */
export const MAX_DOOR_CONNECTIONS = 100_000;

/** The one door of a cluster. */
export function proxyService(): z.ZodType<ProxyServiceDocument> {
  return z.strictObject({
    enabled: yesNo().describe("Whether this process is the cluster's door."),
    listen_addr: address().default("127.0.0.1:3080").describe("Where clients, agents and the web reach it."),
    public_addr: z
      .string()
      .min(1, "expected host:port")
      .optional()
      .describe("What clients call it, `host:port`; absent: `listen_addr`."),
    max_connections: z
      .int("expected a whole number")
      .min(1, "expected at least 1")
      .max(MAX_DOOR_CONNECTIONS, `expected at most ${MAX_DOOR_CONNECTIONS}`)
      .default(10_000)
      .describe("Connections that there may be at once; the process needs as many open files."),
    max_connections_per_address: z
      .int("expected a whole number")
      .min(1, "expected at least 1")
      .max(MAX_DOOR_CONNECTIONS, `expected at most ${MAX_DOOR_CONNECTIONS}`)
      .default(100)
      .describe("Connections that one IPv4 address, or one IPv6 network of 64 bits, may have at once."),
  });
}

function sealing(): z.ZodType<SealingDocument, { type: "file" }> {
  const schema = z.discriminatedUnion(
    "type",
    [
      z.strictObject({
        type: z.literal("file").describe("A file on each auth service's machine, mode 0600."),
        path: text("a path").optional().describe("The file; absent: `sealing.key` in `data_dir`."),
      }),
      z.strictObject({
        type: z.literal("kms").describe("Keys in the store, each wrapped by a key of AWS KMS."),
        key_id: text("a KMS key").describe("ARN of the symmetric KMS key."),
        region: text("a region").describe("AWS region of the KMS key."),
        endpoint: text("a URL").optional().describe("Endpoint, for an emulator; absent: derived from the region."),
      }),
    ],
    { error: "expected file or kms" },
  );
  return schema as unknown as z.ZodType<SealingDocument, { type: "file" }>;
}

function text(what: string): z.ZodString {
  return z.string().min(1, `expected ${what}`);
}

function storage(): z.ZodType<StorageDocument, { type: "sqlite" }> {
  const schema = z.discriminatedUnion(
    "type",
    [
      z.strictObject({
        type: z.literal("sqlite").describe("A file on this machine, for one auth service."),
        path: text("a path").optional().describe("The file; absent: `store.sqlite` in `data_dir`."),
      }),
      z.strictObject({
        type: z.literal("dynamodb").describe("A DynamoDB table, for several auth services."),
        table: text("a table").describe("Name of the table."),
        region: text("a region").describe("AWS region of the table."),
        endpoint: text("a URL").optional().describe("Endpoint, for an emulator; absent: derived from the region."),
      }),
    ],
    { error: "expected sqlite or dynamodb" },
  );
  return schema as unknown as z.ZodType<StorageDocument, { type: "sqlite" }>;
}

function address(): z.ZodType<string, string> {
  return z.string().superRefine((text, context) => {
    const parsed = parseAddress(text);
    if ("fault" in parsed) refuse(context, `cannot listen on ${quoted(text)}: ${parsed.fault}`, parsed.hint);
    else if (parsed.address.kind === "unix")
      refuse(context, `cannot listen on ${quoted(text)}: others could not reach it`, "write host:port");
  });
}
