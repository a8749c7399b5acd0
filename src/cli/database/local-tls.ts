/** The certificate of `--tls`: made once, kept with the profiles, and the same for every port, so that it is trusted once. */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { PrivateFiles } from "../../base/private-files.ts";
import { Secret } from "../../base/secret.ts";
import { makeLocalCertificate } from "../../identity/local-certificate.ts";
import type { LocalTls } from "../../local-proxy/local-proxy.ts";

/** What a port shows, and where the certificate is by which clients know it. */
export interface LocalTlsFiles extends LocalTls {
  /** PEM, for `AWS_CA_BUNDLE` and the like. */
  readonly authorityFile: string;
}

const FILES = new PrivateFiles({
  code: "local_tls",
  place: "set POSTERN_HOME to a directory of your own",
  again: "open the port again",
});
/** What ends sooner is made anew now rather than under somebody's work. */
const LEAST_LEFT_MS = 30 * 86_400_000;

/**
 * The certificate in this directory; another is made when there is none that lasts.
 *
 * @throws PosternError `local_tls_insecure`, `local_tls_unreadable`, `local_tls_unwritable`
 */
export async function localTls(directory: string, clock: Clock): Promise<LocalTlsFiles> {
  const authorityFile = join(directory, "localhost-ca.pem");
  const keyFile = join(directory, "localhost-key.pem");
  const known = FILES.isDirectory(directory)
    ? usable(FILES.read(keyFile), FILES.read(authorityFile), clock.now())
    : undefined;
  if (known !== undefined) return { ...known, authorityFile };
  const { authority, certificate, privateKey } = await makeLocalCertificate(clock);
  FILES.write(keyFile, `${certificate}${privateKey.reveal()}`);
  FILES.write(authorityFile, authority);
  return { certificate, privateKey, authorityFile };
}

/** Undefined unless the two files belong together and last. */
function usable(own = "", authority = "", now: number): LocalTls | undefined {
  try {
    const [certificate, vouching] = [new X509Certificate(own), new X509Certificate(authority)];
    const lasts = [certificate, vouching].every(({ validTo }) => Date.parse(validTo) - now > LEAST_LEFT_MS);
    const fits = certificate.verify(vouching.publicKey) && certificate.checkPrivateKey(createPrivateKey(own));
    return lasts && fits ? { certificate: own, privateKey: new Secret(own) } : undefined;
  } catch {
    return undefined;
  }
}
