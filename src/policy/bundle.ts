/** Reads a policy bundle as `opa build -t wasm` and `postern policy build` write it: a .tar.gz with a manifest. */

import { readFile, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";

import { messageOf, PosternError } from "../base/errors.ts";
import { readTar } from "./bundle-tar.ts";

/** A compiled policy. */
export interface PolicyBundle {
  readonly wasm: Uint8Array;
  /** What its author called it, or the digest of its sources. */
  readonly revision: string;
  readonly entrypoints: readonly string[];
  /** False when it surely has no packages of the installation's own; a bundle that does not say may have some. */
  readonly custom: boolean;
  /** The bundle's own data document. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Compiles a directory of Rego and data, together with the built-in policy, to the bytes of a bundle. */
export type CompileDirectory = (directory: string) => Promise<Uint8Array>;

/**
 * Reads the bundle at `path`: a built .tar.gz, or a directory, which `compile` turns into one.
 *
 * @throws PosternError `bundle_unreadable` or `bundle_invalid`, and what `compile` throws.
 */
export async function loadBundle(path: string, compile?: CompileDirectory): Promise<PolicyBundle> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new PosternError("bundle_unreadable", `Cannot read the policy bundle "${path}": ${messageOf(cause)}`, {
      cause,
    });
  });
  if (found.isDirectory()) {
    if (compile !== undefined) return parseBundle(await compile(path), path);
    throw new PosternError("bundle_unreadable", `Cannot read the policy bundle "${path}": it is a directory`, {
      hint: "build it first: postern policy build DIR -o FILE.tar.gz",
    });
  }
  if (found.size > MAX_ARCHIVE_BYTES) throw invalid(path, `it is larger than ${MAX_ARCHIVE_BYTES} bytes`);
  return parseBundle(await readFile(path), path);
}

/** Reads the bytes of a bundle; `name` is for errors. @throws PosternError `bundle_invalid` */
export async function parseBundle(archive: Uint8Array, name: string): Promise<PolicyBundle> {
  let files: Map<string, Uint8Array>;
  try {
    files = readTar(await unzip(archive, { maxOutputLength: MAX_UNPACKED_BYTES }), WANTED);
  } catch (cause) {
    throw invalid(name, messageOf(cause), cause);
  }
  const wasm = files.get("policy.wasm");
  if (wasm === undefined) {
    throw invalid(
      name,
      "it holds no policy.wasm",
      undefined,
      "build it with postern policy build or opa build -t wasm",
    );
  }
  const manifest = readJson(files.get(".manifest"), name, ".manifest");
  return {
    // Not `slice()`: of a Buffer that is a view, which would keep the whole archive and share its bytes.
    wasm: new Uint8Array(wasm),
    revision: typeof manifest["revision"] === "string" ? manifest["revision"] : "",
    entrypoints: entrypointsOf(manifest, name),
    custom: (Object(manifest["metadata"]) as { custom?: unknown }).custom !== false,
    data: readJson(files.get("data.json"), name, "data.json"),
  };
}

const unzip = promisify(gunzip);
const WANTED: ReadonlySet<string> = new Set([".manifest", "data.json", "policy.wasm"]);
const MAX_ARCHIVE_BYTES = 64 * 1024 * 1024;
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;

function entrypointsOf(manifest: Readonly<Record<string, unknown>>, name: string): string[] {
  const modules: unknown = manifest["wasm"];
  if (!Array.isArray(modules)) throw invalid(name, "its manifest lists no entrypoints");
  return modules.map((one: unknown) => {
    const { entrypoint, module } = Object(one) as { entrypoint?: unknown; module?: unknown };
    if (typeof entrypoint !== "string") throw invalid(name, "its manifest lists an entrypoint without a name");
    if (module !== "/policy.wasm" && module !== "policy.wasm") throw invalid(name, "it holds more than one module");
    return entrypoint;
  });
}

function readJson(bytes: Uint8Array | undefined, name: string, member: string): Record<string, unknown> {
  if (bytes === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(name, `its ${member} is not JSON`, cause);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid(name, `its ${member} is not an object`);
}

function invalid(name: string, reason: string, cause?: unknown, hint?: string): PosternError {
  return new PosternError("bundle_invalid", `Cannot read the policy bundle "${name}": ${reason}`, {
    ...(cause === undefined ? {} : { cause }),
    ...(hint === undefined ? {} : { hint }),
  });
}
