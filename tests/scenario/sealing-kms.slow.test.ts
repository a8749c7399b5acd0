import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { systemClock } from "../../src/base/clock.ts";
import { SdkKms } from "../../src/aws/kms.ts";
import { readConfig } from "../../src/cli/start/index.ts";
import { followKeys } from "../../src/compose/sealing.ts";
import { openClusterOf } from "../../src/compose/store.ts";
import { retireSealing } from "../../src/control/sealing.ts";
import { keyRingFromFile } from "../../src/identity/sealing.ts";
import { openAuthority } from "../../src/identity/authority-keys.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { runCtl, type CtlRan } from "../support/ctl.ts";
import { eventually } from "../support/eventually.ts";
import { missing, type Moto, startMoto } from "../support/peers.ts";

const skip = await missing("motoServer");
const ENV = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "example" };

describe("sealing keys that AWS KMS wraps", { skip }, () => {
  const before_ = { ...process.env };
  let moto: Moto;
  let [arn, other] = ["", ""];
  let directory = "";
  let file = "";

  before(async () => {
    moto = await startMoto({ verify: false });
    Object.assign(process.env, ENV);
    const kms = new KMSClient({ endpoint: moto.url, region: "us-east-1" });
    arn = (await kms.send(new CreateKeyCommand({}))).KeyMetadata?.Arn ?? "";
    other = (await kms.send(new CreateKeyCommand({}))).KeyMetadata?.Arn ?? "";
    kms.destroy();
    directory = mkdtempSync(join(tmpdir(), "postern-kms-"));
    file = join(directory, "postern.yaml");
  });
  after(async () => {
    for (const name of Object.keys(ENV)) {
      if (before_[name] === undefined) delete process.env[name];
      else process.env[name] = before_[name];
    }
    await moto.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const configure = (sealing: object): void =>
    writeFileSync(
      file,
      JSON.stringify({
        version: "v3",
        postern: { nodename: "auth-1", data_dir: join(directory, "data") },
        auth_service: { enabled: "yes", cluster_name: "example", sealing },
      }),
    );
  const ctl = (...args: string[]): Promise<CtlRan> => runCtl(file, args, { env: ENV });
  const kmsSection = (endpoint = moto.url): object => ({ type: "kms", key_id: arn, region: "us-east-1", endpoint });
  const keyFile = (): string => join(directory, "data", "sealing.key");

  it("are made for a new cluster, and no key is in a file", async () => {
    configure(kmsSection("http://127.0.0.1:9"));
    const unreachable = await ctl("status");
    assert.equal(unreachable.code, 1);
    assert.match(unreachable.told, /Cannot make a sealing key: .*\n.*hint: check that the key service can be reached/);
    configure(kmsSection());
    const made = await ctl("status");
    assert.equal(made.code, 0, made.told);
    assert.equal(existsSync(keyFile()), false);
    configure(kmsSection("http://127.0.0.1:9"));
    const later = await ctl("status");
    assert.deepEqual([later.code, later.out], [1, ""]);
    assert.match(later.told, /Cannot unwrap sealing key [0-9a-f]{16}/);
    configure(kmsSection());
    assert.equal((await ctl("status")).out, made.out);
  });

  it("are bound to the cluster and to the KMS key", async () => {
    const kms = new SdkKms({ keyId: arn, region: "us-east-1", endpoint: moto.url });
    const { plain, wrapped } = await kms.generateDataKey({ use: "a" });
    assert.equal(plain.length, 32);
    assert.deepEqual(await kms.decrypt(wrapped, { use: "a" }), plain);
    await assert.rejects(kms.decrypt(wrapped, { use: "b" }), /InvalidCiphertext/);
    assert.deepEqual(await kms.decrypt(await kms.encrypt(plain, { use: "a" }), { use: "a" }), plain);
    const another = new SdkKms({ keyId: other, region: "us-east-1", endpoint: moto.url });
    await assert.rejects(another.decrypt(wrapped, { use: "a" }), /IncorrectKey|AccessDenied/);
  });

  it("rotate, and a node that runs opens what the new one sealed", async () => {
    const opened = await openClusterOf(readConfig(file), { clock: systemClock, env: process.env });
    const log = createLog({ severity: "error", format: "text", write: () => undefined });
    const end = await followKeys(opened, log);
    const [first = ""] = opened.ring.ids;
    const rotated = await ctl("sealing", "rotate");
    assert.equal(rotated.code, 0, rotated.told);
    assert.match(rotated.out, /^Sealing key [0-9a-f]{16} seals; 3 resources sealed anew\n$/);
    await eventually(() => opened.ring.ids[0] !== first);
    await openAuthority(await opened.cluster.authority("host"), opened.ring);
    const { type, keys } = JSON.parse((await ctl("sealing", "status", "-f", "json")).out) as {
      type: string;
      keys: { id: string; state: string; seals: object }[];
    };
    assert.equal(type, "kms");
    assert.deepEqual(keys, [
      { id: opened.ring.ids[0], state: "sealing", seals: { authority: 2, guard_key: 1 } },
      { id: first, state: "old", seals: {} },
    ]);
    await end();
    await opened.cluster.store.close();
  });

  it("lie in a file in the order in which they seal, and go back in the place of all that were there", async () => {
    const opened = await openClusterOf(readConfig(file), { clock: systemClock, env: process.env });
    const [sealing, old = ""] = opened.ring.ids;
    const { out: status } = await ctl("status");
    assert.equal((await ctl("sealing", "unwrap")).code, 0);
    assert.deepEqual(keyRingFromFile(join(directory, "data"), { make: false }).ids, [sealing, old]);
    rmSync(keyFile());
    const clock = { ...systemClock, now: () => Date.now() + 120_000 };
    const events = { healthy: true, record: async () => undefined };
    assert.deepEqual(await retireSealing({ ...opened, events, clock }), [old]);
    await opened.cluster.store.close();
    assert.equal((await ctl("sealing", "unwrap")).code, 0);
    configure({ type: "file" });
    const wrap = await ctl("sealing", "wrap", "--key-id", arn, "--region", "us-east-1", "--endpoint", moto.url);
    assert.equal(wrap.code, 0, wrap.told);
    configure(kmsSection());
    const after = await ctl("status");
    assert.equal(after.out, status, after.told);
    rmSync(keyFile());
  });

  it("move into a file and back by wrapping alone, and the cluster stays the same", async () => {
    const { out: status } = await ctl("status");
    const unwrapped = await ctl("sealing", "unwrap");
    assert.equal(unwrapped.code, 0, unwrapped.told);
    assert.equal(statSync(keyFile()).mode & 0o777, 0o600);
    const again = await ctl("sealing", "unwrap");
    assert.equal(again.code, 1, "a key file is never overwritten");
    configure({ type: "file" });
    assert.equal((await ctl("status")).out, status);
    const wrap = ["sealing", "wrap", "--key-id", arn, "--region", "us-east-1", "--endpoint", moto.url];
    // What was rotated while the keys were in the file goes back with them.
    assert.equal((await ctl("sealing", "rotate")).code, 0);
    assert.equal((await ctl(...wrap)).code, 0);
    configure(kmsSection());
    assert.match((await ctl(...wrap)).told, /configuration says that they are wrapped/);
    assert.equal((await ctl("status")).out, status);
    configure({ type: "file" });
    const text = readFileSync(keyFile(), "utf8");
    // A cluster of its own that begins with a file.
    rmSync(join(directory, "data"), { recursive: true });
    const { out: fresh } = await ctl("status");
    assert.notEqual(readFileSync(keyFile(), "utf8"), text);
    configure(kmsSection());
    assert.match((await ctl("status")).told, /holds no wrapped sealing key/);
    configure({ type: "file" });
    const unreachable = await ctl(...wrap.slice(0, -1), "http://127.0.0.1:9");
    assert.equal(unreachable.code, 1);
    const wrapped = await ctl(...wrap);
    assert.equal(wrapped.code, 0, wrapped.told);
    rmSync(keyFile());
    configure(kmsSection());
    assert.equal((await ctl("status")).out, fresh);
    assert.equal((await ctl("sealing", "rotate")).code, 0);
    assert.equal((await ctl("status")).out, fresh);
  });
});
