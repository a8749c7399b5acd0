import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { PosternError } from "../../../../src/base/errors.ts";
import { localTls } from "../../../../src/cli/database/local-tls.ts";

const DAY = 86_400_000;
const root = mkdtempSync(join(tmpdir(), "postern-local-tls-"));
after(() => rmSync(root, { recursive: true }));
let homes = 0;
const home = (): string => join(root, `home-${homes++}`);
const START = Date.parse("2026-11-26T12:00:00Z");
const clockAt = (days: number) => ({ now: () => START + days * DAY, monotonic: () => 0 });

describe("the certificate of --tls", () => {
  it("is made once, for this machine's names, and vouched for by one that can vouch for no other", async () => {
    const directory = home();
    const { certificate, privateKey, authorityFile } = await localTls(directory, clockAt(0));
    assert.equal(authorityFile, join(directory, "localhost-ca.pem"));
    const [shown, vouching] = [new X509Certificate(certificate), new X509Certificate(readFileSync(authorityFile))];
    for (const name of ["localhost"]) assert.equal(shown.checkHost(name), name);
    for (const address of ["127.0.0.1", "::1"]) assert.equal(shown.checkIP(address), address);
    assert.equal(shown.checkHost("example.com"), undefined);
    assert.deepEqual([shown.ca, vouching.ca], [false, true]);
    assert.ok(shown.checkIssued(vouching) && shown.verify(vouching.publicKey));
    assert.equal(statSync(join(directory, "localhost-key.pem")).mode & 0o777, 0o600);
    // Of the authority's key nothing is left.
    assert.doesNotMatch(readFileSync(authorityFile, "utf8"), /PRIVATE/);
    assert.equal(readFileSync(join(directory, "localhost-key.pem"), "utf8").split("BEGIN PRIVATE KEY").length, 2);
    const again = await localTls(directory, clockAt(366));
    assert.equal(new X509Certificate(again.certificate).fingerprint256, shown.fingerprint256);
    assert.equal(again.privateKey.reveal().includes(privateKey.reveal().trim()), true);
  });

  it("is another when it ends soon, or when its files do not fit", async () => {
    const directory = home();
    const fingerprint = async (days: number): Promise<string> =>
      new X509Certificate((await localTls(directory, clockAt(days))).certificate).fingerprint256;
    const first = await fingerprint(0);
    const second = await fingerprint(368);
    assert.notEqual(second, first);
    const other = home();
    await localTls(other, clockAt(368));
    writeFileSync(join(directory, "localhost-ca.pem"), readFileSync(join(other, "localhost-ca.pem")));
    const third = await fingerprint(368);
    assert.notEqual(third, second);
    writeFileSync(join(directory, "localhost-key.pem"), "what is no certificate");
    assert.notEqual(await fingerprint(368), third);
    assert.equal(await fingerprint(368), await fingerprint(368));
  });

  it("is not used when others could have read its key", async () => {
    const directory = home();
    await localTls(directory, clockAt(0));
    chmodSync(join(directory, "localhost-key.pem"), 0o644);
    await assert.rejects(localTls(directory, clockAt(0)), ({ code }: PosternError) => code === "local_tls_insecure");
  });
});
