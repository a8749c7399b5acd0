/** Profiles: for each cluster that the user has logged in to, where it is, whom to trust there, and the user's key. */

import { createPrivateKey, createPublicKey } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { PosternError } from "../../base/errors.ts";
import { PrivateFiles } from "../../base/private-files.ts";
import { Secret } from "../../base/secret.ts";
import type { ProxyAddress } from "../../client/tls.ts";
import { formatAddress, parseAddress } from "../../config/address.ts";
import { readOwnCertificate, type StatedUser } from "../../identity/certificate-reader.ts";
import { CommandError } from "../command-error.ts";
import { notLoggedIn } from "./not-logged-in.ts";

/** Who is in, where. */
export interface Profile {
  readonly proxy: ProxyAddress;
  /** By what the door is known: the cluster's own authorities, or those that the system trusts. */
  readonly door: "cluster" | "system";
  /** PEM. */
  readonly certificate: string;
  /** PEM of PKCS #8. */
  readonly privateKey: Secret;
  /** PEM of the cluster's host authorities. */
  readonly trusted: readonly string[];
  /** What the certificate says. */
  readonly stated: StatedUser;
}

/** Which profile is meant; absent: the current one. */
export interface Choice {
  readonly proxy?: string | undefined;
  readonly cluster?: string | undefined;
}

/** Reads `host:port`. @throws CommandError when it is none */
export function proxyAddress(text: string): ProxyAddress {
  const result = parseAddress(text);
  const refuse = (reason: string): CommandError =>
    new CommandError(2, `Cannot read the proxy's address ${JSON.stringify(text)}: ${reason}`, {
      hint: "write it as --proxy=postern.example.com:443",
    });
  if ("fault" in result) throw refuse(result.fault);
  const { address } = result;
  if (address.kind === "unix") throw refuse("it is a Unix socket");
  if (address.port === 0) throw refuse("its port is 0");
  return { host: address.host, port: address.port, text: formatAddress(address) };
}

/** The profiles in a directory. */
export class Profiles {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Every profile, by the address of its proxy. @throws PosternError when one cannot be used */
  async all(): Promise<Profile[]> {
    const names = this.#names().filter((name) => PROFILE_FILE.test(name));
    const profiles = await Promise.all(names.map((name) => this.#readFile(name)));
    return profiles.filter((profile) => profile !== undefined);
  }

  async read(proxy: ProxyAddress): Promise<Profile | undefined> {
    return FILES.isDirectory(this.directory) ? this.#readFile(fileOf(proxy)) : undefined;
  }

  /** The address of the current profile's proxy. */
  current(): string | undefined {
    if (!FILES.isDirectory(this.directory)) return undefined;
    const text = FILES.read(join(this.directory, CURRENT))?.trim();
    return text === undefined || text === "" ? undefined : text;
  }

  /** @throws CommandError when nobody is logged in there */
  async choose({ proxy, cluster }: Choice): Promise<Profile> {
    const current = this.current();
    if (cluster !== undefined) {
      const found = (await this.all()).filter(
        (one) => one.stated.cluster === cluster && (proxy === undefined || one.proxy.text === proxyAddress(proxy).text),
      );
      const chosen = found.length === 1 ? found[0] : found.find((one) => one.proxy.text === current);
      if (chosen !== undefined) return chosen;
      if (found.length === 0) throw notLoggedIn(`Not logged in to cluster ${JSON.stringify(cluster)}.`);
      throw new CommandError(2, `Cannot tell which cluster ${JSON.stringify(cluster)} is meant`, {
        hint: `name its proxy: ${found.map((one) => `--proxy=${one.proxy.text}`).join(" or ")}`,
      });
    }
    const wanted = proxy ?? current;
    const chosen = wanted === undefined ? undefined : await this.read(proxyAddress(wanted));
    if (chosen !== undefined) return chosen;
    throw notLoggedIn(proxy === undefined ? "Not logged in." : `Not logged in to ${JSON.stringify(proxy)}.`);
  }

  /** Keeps a profile and makes it the current one. */
  save(profile: Profile): void {
    this.keep(profile);
    this.use(profile.proxy);
  }

  /** Keeps a profile; which one is the current one stays. */
  keep({ proxy, door, certificate, privateKey, trusted }: Profile): void {
    const identity = { certificate, private_key: privateKey.reveal(), trusted: [...trusted] };
    writeContent(join(this.directory, fileOf(proxy)), { version: 1, proxy: proxy.text, door, ...identity });
  }

  /** Has a profile trust others from now on, unless it was replaced meanwhile. Which one is the current one stays. */
  trust({ proxy, certificate }: Profile, trusted: readonly string[]): void {
    if (!FILES.isDirectory(this.directory)) return;
    const path = join(this.directory, fileOf(proxy));
    // Read and written in one go: whoever logs out or in meanwhile has the last word.
    const content = readContent(path);
    if (content?.certificate === certificate) writeContent(path, { ...content, trusted: [...trusted] });
  }

  /** Makes a profile the current one. */
  use(proxy: ProxyAddress): void {
    FILES.write(join(this.directory, CURRENT), `${proxy.text}\n`);
  }

  /** @returns whether there was one */
  remove(proxy: ProxyAddress): boolean {
    if (!FILES.isDirectory(this.directory)) return false;
    const removed = FILES.remove(join(this.directory, fileOf(proxy)));
    // What cannot be read must not keep anybody logged in.
    if (removed && this.#isCurrent(proxy)) FILES.remove(join(this.directory, CURRENT));
    return removed;
  }

  /** Removes all, unread. @returns how many profiles there were */
  removeAll(): number {
    const names = this.#names();
    for (const name of names) FILES.remove(join(this.directory, name));
    return names.filter((name) => PROFILE_FILE.test(name)).length;
  }

  #isCurrent(proxy: ProxyAddress): boolean {
    try {
      return this.current() === proxy.text;
    } catch {
      return true;
    }
  }

  /** Our files only, and drafts of them that a crash has left. */
  #names(): string[] {
    if (!FILES.isDirectory(this.directory)) return [];
    return readdirSync(this.directory)
      .filter((name) => name === CURRENT || PROFILE_FILE.test(name) || DRAFT.test(name))
      .sort();
  }

  async #readFile(name: string): Promise<Profile | undefined> {
    const path = join(this.directory, name);
    const content = readContent(path);
    if (content === undefined) return undefined;
    try {
      const proxy = proxyAddress(content.proxy);
      if (fileOf(proxy) !== name) throw new Error("it is another proxy's");
      const { door, certificate, trusted, private_key } = content;
      const stated = await readOwnCertificate(certificate);
      if (!createPublicKey(createPrivateKey(private_key)).equals(stated.publicKey)) throw new Error("another key");
      return { proxy, door, certificate, trusted, privateKey: new Secret(private_key), stated };
    } catch {
      throw invalid(path);
    }
  }
}

const FILES = new PrivateFiles({
  code: "profile",
  place: "set POSTERN_HOME to a directory of your own",
  again: "log in again",
});
const CURRENT = "current";
const PROFILE_FILE = /^[A-Za-z0-9.+_-]+_[0-9]{1,5}\.json$/;
const DRAFT = /^[A-Za-z0-9.+_-]+\.[0-9a-f]{12}\.new$/;

const CONTENT = z.strictObject({
  version: z.literal(1),
  proxy: z.string().max(300),
  door: z.enum(["cluster", "system"]),
  certificate: z.string(),
  private_key: z.string(),
  trusted: z.array(z.string()).min(1).max(2),
});

type Content = z.infer<typeof CONTENT>;

function readContent(path: string): Content | undefined {
  const text = FILES.read(path);
  if (text === undefined) return undefined;
  try {
    return CONTENT.parse(JSON.parse(text));
  } catch {
    throw invalid(path);
  }
}

function writeContent(path: string, content: Content): void {
  FILES.write(path, `${JSON.stringify(content, null, 2)}\n`);
}

/** Without the cause: parsers quote what they read, and here that is a private key. */
function invalid(path: string): PosternError {
  return new PosternError("profile_invalid", `Cannot use "${path}": it is not a profile as postern login writes it`, {
    hint: "postern logout removes it; then log in again",
  });
}

/** No host name holds a plus sign, so that an IPv6 address is nobody else's file. */
function fileOf({ host, port }: ProxyAddress): string {
  return `${host.replaceAll(":", "+")}_${port}.json`;
}
