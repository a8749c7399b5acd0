// Finds the OPA compiler, or gets it: OPA_BIN, PATH, our cache, the official release, `go install`, in this order.
// Plain JavaScript without dependencies: it also runs before `npm ci`.

import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { access, chmod, constants, mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import { run } from "./compile-policy.mjs";

/** The version that `go install` builds; Go's checksum database vouches for it. */
export const OPA_VERSION = "1.22.2";

/**
 * The release that is downloaded: the newest whose published SHA-256 sums (the .sha256 file beside each asset) we have.
 * A platform that is not listed is not downloaded.
 */
export const OPA_RELEASE = {
  version: "1.20.2",
  base: "https://github.com/open-policy-agent/opa/releases/download",
  assets: {
    "linux-x64": ["opa_linux_amd64_static", "69da5179ee403d10fa11bab6cfb4ffb0d23dba5f9b682fa977db772a1da5670f"],
    "linux-arm64": ["opa_linux_arm64_static", "431bed5a365578241ab06c7cc1c7d0cdff8c11dcbc6f12c3488590deb8b8d66d"],
    "darwin-x64": ["opa_darwin_amd64", "e9b8d205db1aeaa6ec350855087b7d7fc014e7728b65cdf822464ee59e63f601"],
    "darwin-arm64": ["opa_darwin_arm64", "54e7008e696d39e8e4f96594e2b71bcbe45fd9a4f838102bcf1240638bf3fbe1"],
  },
};

const CONNECT_MS = 5_000;
const STALL_MS = 30_000;
const GO_MS = 15 * 60_000;
const LARGEST_RELEASE = 300 * 1024 * 1024;

export class OpaNotFound extends Error {
  constructor(reasons) {
    super(
      [
        "Cannot find the OPA compiler, which policies are built and tested with:",
        ...reasons.map((reason) => `  - ${reason}`),
        "Any one of these four will do:",
        "  1. set OPA_BIN to an opa program of version 1.0 or later",
        "  2. put opa 1.0 or later on PATH (https://www.openpolicyagent.org/docs/#running-opa)",
        `  3. allow the download of its release from ${OPA_RELEASE.base}`,
        "  4. install Go, with which it is built from source",
      ].join("\n"),
    );
    this.name = "OpaNotFound";
  }
}

export async function findOpa(options = {}) {
  const {
    env = process.env,
    say = () => undefined,
    release = OPA_RELEASE,
    platform = `${process.platform}-${process.arch}`,
    connectMs = CONNECT_MS,
  } = options;
  const program = process.platform === "win32" ? "opa.exe" : "opa";
  const cache = join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache"), "postern", "opa");
  const reasons = [];

  if (env.OPA_BIN) {
    // Named on purpose: something else in its place would be a surprise.
    const path = resolve(env.OPA_BIN);
    const version = await versionOf(path);
    if (typeof version === "string") return { path, version, from: "OPA_BIN" };
    throw new OpaNotFound([`OPA_BIN is "${env.OPA_BIN}", but ${version.reason}`]);
  }
  reasons.push("OPA_BIN is not set");

  const seen = await onPath(program, env.PATH ?? "");
  const version = seen && (await versionOf(seen));
  if (typeof version === "string") return { path: seen, version, from: "PATH" };
  reasons.push(seen ? `"${seen}" is on PATH, but ${version.reason}` : "opa is not on PATH");

  for (const wanted of new Set([OPA_VERSION, release.version])) {
    const path = join(cache, wanted, program);
    if ((await versionOf(path)) === wanted) return { path, version: wanted, from: "cache" };
  }
  reasons.push(`there is none in ${cache}`);

  for (const way of [download, goInstall]) {
    try {
      return await way({ cache, program, release, platform, connectMs, env, say });
    } catch (error) {
      reasons.push(error.message);
    }
  }
  throw new OpaNotFound(reasons);
}

/** The version of an opa program of 1.0 or later, or `{ reason }` why it cannot be used. */
async function versionOf(path) {
  try {
    const { code, stdout } = await run(path, ["version"], { timeout: 20_000 });
    const version = /^Version: (\d+)\.(\d+\.\d+\S*)/m.exec(stdout);
    if (code !== 0 || version === null) return { reason: "it does not say which version it is" };
    if (Number(version[1]) < 1) return { reason: `its version is ${version[1]}.${version[2]}; 1.0 or later is needed` };
    return `${version[1]}.${version[2]}`;
  } catch (error) {
    return { reason: `it cannot be run (${error.code ?? error.message})` };
  }
}

async function onPath(program, path) {
  for (const directory of path.split(delimiter).filter(isAbsolute)) {
    const candidate = join(directory, program);
    const found = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  return undefined;
}

async function download({ cache, program, release, platform, connectMs, say }) {
  const asset = release.assets[platform];
  if (asset === undefined) throw new Error(`the release was not downloaded: no checksum is known for ${platform}`);
  const [name, sha256] = asset;
  const url = `${release.base}/v${release.version}/${name}`;
  const place = await newPlace(cache, release.version);
  const temporary = join(place, program);
  try {
    const controller = new AbortController();
    let timer = setTimeout(() => controller.abort(new Error(`no connection within ${connectMs / 1000} s`)), connectMs);
    const digest = createHash("sha256");
    try {
      const response = await fetch(url, { signal: controller.signal });
      if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status}`);
      const size = Number(response.headers.get("content-length"));
      say(`Downloading OPA ${release.version}${size > 0 ? ` (${Math.ceil(size / 1024 / 1024)} MB)` : ""} from ${url}`);
      let received = 0;
      const watched = async function* (chunks) {
        for await (const chunk of chunks) {
          clearTimeout(timer);
          timer = setTimeout(() => controller.abort(new Error(`nothing came for ${STALL_MS / 1000} s`)), STALL_MS);
          received += chunk.length;
          if (received > LARGEST_RELEASE) throw new Error("it is larger than any release");
          digest.update(chunk);
          yield chunk;
        }
      };
      await pipeline(Readable.fromWeb(response.body), watched, createWriteStream(temporary), {
        signal: controller.signal,
      });
    } finally {
      clearTimeout(timer);
    }
    const actual = digest.digest("hex");
    if (actual !== sha256) throw new Error(`its SHA-256 is ${actual} instead of ${sha256}; it was deleted`);
    await chmod(temporary, 0o755);
    return await adopt(temporary, join(cache, release.version), program, release.version, "download");
  } catch (error) {
    const cause = error.name === "AbortError" && error.cause ? error.cause : error;
    const detail = cause.cause?.code ?? cause.cause?.message;
    throw new Error(`${url} could not be had: ${cause.message}${detail ? ` (${detail})` : ""}`);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function goInstall({ cache, program, env, say }) {
  const go = await onPath(process.platform === "win32" ? "go.exe" : "go", env.PATH ?? "");
  if (go === undefined) throw new Error("go is not on PATH");
  const place = await newPlace(cache, OPA_VERSION);
  const module = `github.com/open-policy-agent/opa@v${OPA_VERSION}`;
  try {
    say(`Building OPA ${OPA_VERSION} with go install (one or two minutes, once)`);
    const { code, stderr } = await run(go, ["install", module], {
      env: { ...env, GOBIN: place, CGO_ENABLED: "0" },
      timeout: GO_MS,
    });
    if (code !== 0) throw new Error(stderr.trim().split("\n").at(-1) || `it ended with ${code}`);
    return await adopt(join(place, program), join(cache, OPA_VERSION), program, OPA_VERSION, "go install");
  } catch (error) {
    throw new Error(`go install ${module} failed: ${error.message}`);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** A directory of our own in the cache, so that what is moved into place is moved within one file system. */
async function newPlace(cache, version) {
  const place = join(cache, `.${version}-${process.pid}-${Math.random().toString(36).slice(2)}`);
  await mkdir(place, { recursive: true, mode: 0o700 });
  return place;
}

async function adopt(temporary, directory, program, version, from) {
  const actual = await versionOf(temporary);
  if (actual !== version) throw new Error(typeof actual === "string" ? `it is version ${actual}` : actual.reason);
  await mkdir(directory, { recursive: true });
  const path = join(directory, program);
  await rename(temporary, path);
  return { path, version, from };
}
