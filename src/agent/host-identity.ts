/** What a service keeps of its membership: key, certificate, and whom to believe; in a file that only it may read. */

import { createPrivateKey, createPublicKey } from "node:crypto";
import { join } from "node:path";
import * as z from "zod";
import { PosternError } from "../base/errors.ts";
import { PrivateFiles } from "../base/private-files.ts";
import { Secret } from "../base/secret.ts";
import { readOwnHostCertificate, type StatedHost } from "../identity/certificate-reader.ts";

/** A member of a cluster. */
export interface HostIdentity {
  /** What the certificate says. */
  readonly stated: StatedHost;
  /** PEM. */
  readonly certificate: string;
  /** PEM of PKCS #8. */
  readonly privateKey: Secret;
  /** PEM of the cluster's authorities, those first who issue. */
  readonly trusted: { readonly host: readonly string[]; readonly user: readonly string[] };
  /** By what the door is known: the cluster's own authorities, or those that the system trusts. */
  readonly door: "cluster" | "system";
  /** Whether the certificate is enough for the next one. */
  readonly renewable: boolean;
}

/** The identity of one service, in the data directory. */
export class IdentityFile {
  readonly path: string;
  readonly #directory: string;

  constructor(dataDirectory: string) {
    this.#directory = join(dataDirectory, "identity");
    this.path = join(this.#directory, "db.json");
  }

  /** @throws PosternError `identity_insecure` when others could have read it, `identity_unreadable`, `identity_invalid` */
  async read(): Promise<HostIdentity | undefined> {
    const text = FILES.isDirectory(this.#directory) ? FILES.read(this.path) : undefined;
    if (text === undefined) return undefined;
    try {
      const { certificate, private_key, trusted, door, renewable } = CONTENT.parse(JSON.parse(text));
      const stated = await readOwnHostCertificate(certificate);
      if (!createPublicKey(createPrivateKey(private_key)).equals(stated.publicKey)) throw new Error("another key");
      return { stated, certificate, privateKey: new Secret(private_key), trusted, door, renewable };
    } catch {
      // Without the cause: parsers quote what they read, and here that is a private key.
      throw new PosternError("identity_invalid", `Cannot use "${this.path}": it is not an identity as it was written`, {
        hint: "remove it, and let the agent join again with a new token",
      });
    }
  }

  /** Written whole or not at all. @throws PosternError `identity_unwritable` */
  write({ certificate, privateKey, trusted, door, renewable }: HostIdentity): void {
    const content = { version: 1, door, certificate, private_key: privateKey.reveal(), trusted, renewable };
    FILES.write(this.path, `${JSON.stringify(content, null, 2)}\n`);
  }
}

const FILES = new PrivateFiles({
  code: "identity",
  place: "make postern.data_dir a directory that only this user can write",
  again: "let the agent join again with a new token",
});

const AUTHORITIES = z.array(z.string().max(16_384)).min(1).max(2);

const CONTENT = z.strictObject({
  version: z.literal(1),
  door: z.enum(["cluster", "system"]),
  certificate: z.string(),
  private_key: z.string(),
  trusted: z.strictObject({ host: AUTHORITIES, user: AUTHORITIES }),
  renewable: z.boolean(),
});
