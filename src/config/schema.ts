/** The schema of the configuration file: parser, reference and JSON Schema in one. */

import * as z from "zod";
import type { DatabaseSpec } from "../aws/database.ts";
import { name } from "../identity/metadata.ts";
import { quoted } from "../identity/names.ts";
import { refuse, unavailable, yesNo } from "../identity/shape.ts";
import { isLoopback, parseAddress } from "./address.ts";
import { authService, proxyService, type AuthServiceDocument, type ProxyServiceDocument } from "./cluster-schema.ts";
import type { AuditSection, LogSection } from "./config.ts";
import { databaseSchema } from "./database-schema.ts";
import { type DatabaseSelector, databaseSelectors } from "./selector-schema.ts";

/** The file as it is written: defaults filled in, paths and tokens still text. */
export interface ConfigDocument {
  readonly version: "v3";
  readonly postern: PosternDocument;
  readonly policy: { readonly bundle?: string | undefined };
  readonly db_service: {
    readonly enabled: boolean;
    readonly listeners: readonly ListenerDocument[];
    readonly databases: readonly DatabaseSpec[];
    readonly resources: readonly DatabaseSelector[];
  };
  readonly auth_service?: AuthServiceDocument | undefined;
  readonly proxy_service?: ProxyServiceDocument | undefined;
}

/** `postern` as it is written. */
export interface PosternDocument {
  readonly nodename?: string | undefined;
  readonly data_dir?: string | undefined;
  readonly proxy_server?: string | undefined;
  readonly auth_token?: string | undefined;
  readonly join_params?: JoinParamsDocument | undefined;
  readonly ca_pin: readonly string[];
  readonly resources?: string | undefined;
  readonly workers: number;
  readonly audit: AuditSection;
  readonly log: LogSection;
  readonly diag_addr?: string | undefined;
}

/** How an agent shows that it may join, as it is written. */
export interface JoinParamsDocument {
  readonly method: "token" | "iam";
  readonly token_name: string;
}

/** A listener as it is written. */
export interface ListenerDocument {
  readonly address: string;
  readonly user: string;
  readonly database: string;
  readonly db_user: string;
  readonly host_names: readonly string[];
}

/** The whole file, with `postern` under that name. */
export function configSchema(): z.ZodType<ConfigDocument> {
  return z.strictObject({
    version: z.literal("v3", "expected v3").describe("Form of this file; `v3`."),
    postern: postern().prefault({}).describe("This machine. `teleport` is accepted as another name for this section."),
    policy: z
      .strictObject({
        bundle: path()
          .optional()
          .describe("Directory of .rego, .json and .yaml, or a built .tar.gz; absent: the built-in policy."),
        opa_config: unavailable("OPA's own configuration is not available in this version", "write policy.bundle"),
      })
      .prefault({})
      .describe("What decides."),
    db_service: dbService().prefault({ enabled: false }).describe("The gateway to databases."),
    auth_service: authService().optional().describe("Users, roles and certificates of a cluster."),
    proxy_service: proxyService().optional().describe("The one door of a cluster."),
    ssh_service: service("ssh_service").describe("Not a service of Postern."),
    app_service: service("app_service").describe("Not a service of Postern."),
    kubernetes_service: service("kubernetes_service").describe("Not a service of Postern."),
    windows_desktop_service: service("windows_desktop_service").describe("Not a service of Postern."),
    discovery_service: service("discovery_service").describe("Not a service of Postern."),
  });
}

function postern(): z.ZodType<PosternDocument> {
  return z.strictObject({
    nodename: name().optional().describe("Name of this machine in events; absent: its host name."),
    data_dir: path()
      .optional()
      .describe("Where state and audit log are kept; absent: `$POSTERN_DATA_DIR`, else `/var/lib/postern`."),
    proxy_server: proxyServer().optional().describe("Agent: the cluster's proxy, `host:port`."),
    auth_token: filled().optional().describe("Agent: the join token, or the absolute path of its file."),
    join_params: z
      .strictObject({
        method: z
          .enum(["token", "iam"])
          .describe("`token`: by knowing the token; `iam`: by the AWS identity that this process has."),
        token_name: filled().describe("For `token` as `auth_token`; for `iam` the token's name."),
      })
      .optional()
      .describe("Agent: how it joins; in the place of `auth_token`."),
    ca_pin: caPin()
      .prefault([])
      .describe("Agent: pin of the cluster's CA, or a list of them; absent: whom the system trusts is believed."),
    resources: path()
      .optional()
      .describe("Standalone: directory of role, user, lock and db documents, reloaded when it changes."),
    workers: z
      .int("expected a whole number")
      .min(1, "expected at least 1")
      .max(256, "expected at most 256")
      .default(1)
      .describe("Processes that share the listeners; those of an agent have tunnels of their own."),
    audit: z
      .strictObject({
        mode: z
          .enum(["strict", "best_effort"])
          .default("strict")
          .describe("`strict`: no record, no request. `best_effort`: records are buffered."),
        fsync: z
          .enum(["batch", "always"])
          .default("batch")
          .describe("When records reach the disk: within 100 ms, or one by one."),
        redact: z
          .enum(["hash", "none"])
          .default("hash")
          .describe("What becomes of key and item values: hashed, or kept as they are."),
      })
      .prefault({})
      .describe("The audit log."),
    log: log().prefault({}).describe("The service's own log, on stderr."),
    diag_addr: address().optional().describe("Address of /healthz, /readyz and /metrics; absent: none."),
    auth_server: unavailable("agents dial the proxy", "write proxy_server"),
    auth_servers: unavailable("agents dial the proxy", "write proxy_server"),
  });
}

function log(): z.ZodType<LogSection> {
  const severity = z.union(
    [z.enum(["debug", "info", "warn", "error"]), z.enum(["DEBUG", "INFO", "WARN", "ERROR", "warning", "WARNING"])],
    {
      error: "expected debug, info, warn or error",
    },
  );
  return z.strictObject({
    severity: severity
      .transform((word) => word.toLowerCase().replace("warning", "warn") as LogSection["severity"])
      .prefault("info")
      .describe("Least severity that is written."),
    format: z
      .union([z.enum(["json", "text"]), z.strictObject({ output: z.enum(["json", "text"]) })], {
        error: "expected json or text",
      })
      .transform((format) => (typeof format === "string" ? format : format.output))
      .prefault("text")
      .describe("`text` for people, `json` for machines."),
    output: z.literal("stderr", "expected stderr").optional().describe("Only `stderr`."),
  });
}

function dbService(): z.ZodType<ConfigDocument["db_service"]> {
  return z.strictObject({
    enabled: yesNo().describe("Whether this process is a gateway."),
    listeners: z
      .array(listener())
      .default([])
      .describe("Standalone: addresses, each with its own fixed user, database and AWS role."),
    databases: z.array(databaseSchema()).default([]).describe("The databases behind this gateway."),
    resources: databaseSelectors()
      .default([])
      .describe("Agent: which of the cluster's db documents it serves as well, from the moment they are there."),
    aws: unavailable("databases cannot be discovered in AWS in this version", "list them under databases"),
  });
}

function listener(): z.ZodType<ListenerDocument> {
  const shape = z.strictObject({
    address: address()
      .superRefine((text, context) => {
        const parsed = parseAddress(text);
        if (!("address" in parsed) || isLoopback(parsed.address)) return;
        refuse(
          context,
          `cannot listen on ${quoted(text)} with a fixed user: whoever reaches the address would be that user`,
          "bind to 127.0.0.1, [::1], localhost or a Unix socket",
        );
      })
      .describe(
        "`127.0.0.1:8000`, `[::1]:8000`, `localhost:8000` or `unix:/path`; this machine only. Port 0: a free one.",
      ),
    user: name().describe("Who speaks on this address."),
    database: name().describe("Name of the database."),
    db_user: filled().describe("AWS role to assume: name, path or ARN."),
    host_names: z
      .array(hostName())
      .default([])
      .describe("Names in `Host` headers that it answers to, beside `localhost`, `127.0.0.0/8` and `[::1]`."),
  });
  return shape.superRefine(({ address: text, host_names }, context) => {
    const parsed = parseAddress(text);
    if (host_names.length > 0 && "address" in parsed && parsed.address.kind === "unix")
      refuse(context, "a Unix socket has no host name", "remove host_names: it is reached by its path", ["host_names"]);
  });
}

/** One name, exactly: whoever could choose the name could lead a web page here. */
function hostName(): z.ZodType<string> {
  return z
    .string()
    .superRefine((text, context) => {
      if (text.length <= MAX_HOST_NAME && HOST_NAME.test(text)) return;
      const hint = /^[^:]+:[0-9]+$/.test(text)
        ? "leave the port out"
        : "write each name whole, such as gateway.internal";
      refuse(context, `expected a host name, not ${quoted(text)}`, hint);
    })
    .transform((text) => text.toLowerCase());
}

const HOST_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/;
const MAX_HOST_NAME = 253;

/** A service that this version does not have: its section may say that it is off, whatever else it says. */
function service(key: string): z.ZodType<unknown> {
  return z
    .looseObject({
      enabled: yesNo().superRefine((enabled, context) => {
        if (enabled)
          refuse(context, `${key} is not available in this version`, 'write enabled: "no", or remove the section');
      }),
    })
    .optional();
}

function caPin(): z.ZodType<string[], string | string[]> {
  const pin = z.string().superRefine((text, context) => {
    if (!/^sha256:[0-9a-f]{64}$/.test(text))
      refuse(context, `expected sha256: and 64 hexadecimal digits, not ${quoted(text)}`);
  });
  return z
    .union([pin, z.array(pin)], { error: "expected a pin or a list of pins" })
    .transform((value) => (typeof value === "string" ? [value] : value));
}

/** Where an agent dials. */
function proxyServer(): z.ZodType<string> {
  return z.string().superRefine((text, context) => {
    const parsed = parseAddress(text);
    const fault =
      "fault" in parsed
        ? parsed.fault
        : parsed.address.kind === "unix"
          ? "it is a Unix socket"
          : parsed.address.port === 0
            ? "its port is 0"
            : undefined;
    if (fault !== undefined) refuse(context, `cannot dial ${quoted(text)}: ${fault}`, "write postern.example.com:443");
  });
}

function address(): z.ZodType<string> {
  return z.string().superRefine((text, context) => {
    const parsed = parseAddress(text);
    if ("fault" in parsed) refuse(context, `cannot listen on ${quoted(text)}: ${parsed.fault}`, parsed.hint);
  });
}

/** A path in the file system. Only a shell knows a home directory by `~`; here it would become a directory of that name. */
function path(): z.ZodType<string> {
  return filled().superRefine((text, context) => {
    if (/^~(?:\/|$)/.test(text))
      refuse(context, `the path ${quoted(text)} begins with ~, which is not replaced here`, "write the whole path");
  });
}

function filled(): z.ZodType<string> {
  return z.string().min(1, "expected a text");
}
