import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { systemClock } from "../../../src/base/clock.ts";
import { Secret } from "../../../src/base/secret.ts";
import { profileCommand } from "../../../src/cli/database/aws-profile.ts";
import { credentialsCommand } from "../../../src/cli/database/credentials.ts";
import { listCommand } from "../../../src/cli/database/list.ts";
import { proxyCommand } from "../../../src/cli/database/proxy.ts";
import type { Input } from "../../../src/cli/login/ask.ts";
import { Profiles, proxyAddress } from "../../../src/cli/login/profiles.ts";
import type { ClientSurroundings } from "../../../src/cli/login/surroundings.ts";
import { readOwnCertificate } from "../../../src/identity/certificate-reader.ts";
import { keyIdOf, openSessionToken } from "../../../src/identity/session-credentials.ts";
import { listenTlsOnNode } from "../../../src/platform/node-tls-server.ts";
import type { TlsListening } from "../../../src/platform/ports.ts";
import { ClusterAuthorities, newKeyPair } from "../../support/cluster-authorities.ts";

const DOCUMENT = { kind: "db", metadata: { name: "orders" }, spec: { aws: { region: "eu-west-1" } } };

describe("keys for SDKs at the command line", () => {
  const directory = mkdtempSync(join(tmpdir(), "postern-credentials-"));
  const profiles = new Profiles(join(directory, "home"));
  let authorities: ClusterAuthorities;
  let listening: TlsListening;
  let proxy: string;
  /** What the door names as the database's agents. */
  let agents: readonly string[] = [];
  /** Whom it would have trusted from now on. */
  let trusted: readonly string[] = [];
  /** What the door says of the databases. */
  let databases: readonly object[] = [DOCUMENT];
  let [out, talk] = ["", ""];
  const around: ClientSurroundings = {
    profiles,
    input: Readable.from([]) as unknown as Input,
    write: (text) => (out += text),
    say: (text) => (talk += text),
    clock: systemClock,
    openBrowser: () => false,
  };
  const run = async (words: string, command = credentialsCommand): Promise<string> => {
    [out, talk] = ["", ""];
    await command(() => around)
      .exitOverride()
      .parseAsync(words.split(" "), { from: "user" });
    return out;
  };
  const agent = async (
    role: "db" | "proxy",
    of = authorities,
    databases?: readonly string[],
  ): Promise<{ certificate: string; privateKey: string }> => {
    const { publicKey, privateKey } = newKeyPair();
    const { certificate } = await of.issueHost({ hostId: "a", role, names: ["a"], publicKey, databases });
    return { certificate, privateKey };
  };

  before(async () => {
    authorities = await ClusterAuthorities.make("example", systemClock);
    trusted = [authorities.host.active.certificate];
    const host = await authorities.issueHost();
    const chain = host.certificate + authorities.host.active.certificate;
    listening = await listenTlsOnNode(
      async (asked) => {
        const { pathname } = new URL(asked.url);
        if (pathname === "/v1/databases") return Response.json({ databases });
        if (pathname === "/v1/databases/agents") return Response.json({ certificates: agents });
        const { public_key: publicKey, database, db_user } = (await asked.json()) as Record<string, string>;
        const route = { database: database ?? "", db_user: db_user ?? "" };
        const { certificate } = await authorities.issueUser({ publicKey: publicKey ?? "", route });
        return Response.json({ certificate, trusted });
      },
      { kind: "tcp", host: "127.0.0.1", port: 0 },
      { identity: { chain, key: new Secret(authorities.keys.privateKey), clientAuthorities: [] } },
    );
    proxy = listening.address;
    const { certificate } = await authorities.issueUser();
    profiles.save({
      proxy: proxyAddress(proxy),
      door: "cluster",
      certificate,
      privateKey: new Secret(authorities.keys.privateKey),
      trusted: [authorities.host.active.certificate],
      stated: await readOwnCertificate(certificate),
    });
  });
  after(async () => {
    await listening.drain(0);
    rmSync(directory, { recursive: true, force: true });
  });

  it("are made for the cluster's own agents, in the words of credential_process", async () => {
    const own = [await agent("db"), await agent("db")];
    agents = own.map(({ certificate }) => certificate);
    const made = JSON.parse(await run("--db-user=ExampleRole orders")) as Record<string, string>;
    assert.deepEqual(Object.keys(made), ["Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"]);
    assert.equal(made["Version"], 1);
    const left = Date.parse(made["Expiration"] ?? "") - Date.now();
    assert.ok(left > 0 && left <= 3_600_000);
    for (const { certificate, privateKey } of own) {
      const id = keyIdOf(new X509Certificate(certificate).publicKey);
      const secret = openSessionToken(made["SessionToken"] ?? "", createPrivateKey(privateKey), id);
      assert.equal(secret?.reveal(), made["SecretAccessKey"]);
    }
    assert.equal(talk, "");
  });

  it("are made for nobody whom a lying proxy puts in their place", async () => {
    const foreign = await ClusterAuthorities.make("example", systemClock);
    const user = await authorities.issueUser();
    for (const wrong of [
      (await agent("proxy")).certificate,
      (await agent("db", foreign)).certificate,
      user.certificate,
      "no certificate",
    ]) {
      agents = [wrong, wrong];
      await assert.rejects(run("--db-user=ExampleRole orders"), { code: "agent_untrusted" });
      assert.equal(out, "");
    }
    agents = [];
    await assert.rejects(run("--db-user=ExampleRole orders"), { code: "database_without_agent" });
    await assert.rejects(run("orders"), { exitCode: 2 });
  });

  it("are made for no agent whose certificate does not name the database, whoever says that it serves it", async () => {
    const [other, own] = [await agent("db", authorities, ["dev-*"]), await agent("db", authorities, ["ord*"])];
    agents = [other.certificate];
    await assert.rejects(run("--db-user=ExampleRole orders"), (error: Error) => {
      assert.equal((error as { code?: string }).code, "agent_untrusted");
      assert.match(String((error.cause as Error).message), /does not let it serve "orders"/);
      return true;
    });
    assert.equal(out, "");
    agents = [other.certificate, own.certificate];
    const made = JSON.parse(await run("--db-user=ExampleRole orders")) as Record<string, string>;
    const opened = ({ certificate, privateKey }: typeof own): string | undefined => {
      const id = keyIdOf(new X509Certificate(certificate).publicKey);
      return openSessionToken(made["SessionToken"] ?? "", createPrivateKey(privateKey), id)?.reveal();
    };
    assert.equal(opened(own), made["SecretAccessKey"]);
    assert.equal(opened(other), undefined);
  });

  it("are made for the cluster's own agents, however many others stand beside them", async () => {
    const own = await agent("db");
    const foreign = await ClusterAuthorities.make("example", systemClock);
    const stranger = await agent("db", foreign);
    agents = [...Array.from({ length: 60 }, () => stranger.certificate), own.certificate, "no certificate"];
    const made = JSON.parse(await run("--db-user=ExampleRole orders")) as Record<string, string>;
    const opened = ({ certificate, privateKey }: typeof own): string | undefined => {
      const id = keyIdOf(new X509Certificate(certificate).publicKey);
      return openSessionToken(made["SessionToken"] ?? "", createPrivateKey(privateKey), id)?.reveal();
    };
    assert.equal(opened(own), made["SecretAccessKey"]);
    assert.equal(opened(stranger), undefined);
  });

  it("are made for agents of the authority that the cluster is changing to, the first time already", async () => {
    const next = await ClusterAuthorities.make("example", systemClock);
    trusted = [authorities.host.active.certificate, next.host.active.certificate];
    agents = [(await agent("db", next)).certificate];
    await run("--db-user=ExampleRole orders");
    trusted = [authorities.host.active.certificate];
    profiles.trust(await profiles.choose({ proxy }), trusted);
  });

  it("are made for nobody when the door would have others trusted than those who vouch for it", async () => {
    const foreign = await ClusterAuthorities.make("example", systemClock);
    [agents, trusted] = [[(await agent("db")).certificate], [foreign.host.active.certificate]];
    await assert.rejects(run("--db-user=ExampleRole orders"), { code: "login_answer_refused" });
    assert.equal(out, "");
    const { trusted: kept } = await profiles.choose({ proxy });
    assert.deepEqual(kept, [authorities.host.active.certificate]);
    trusted = kept;
  });

  it("take nobody back in who logs out, or in anew, while others come to be trusted", async () => {
    const profile = await profiles.choose({ proxy });
    const { certificate } = await authorities.issueUser();
    const newer = { ...profile, certificate, stated: await readOwnCertificate(certificate) };
    const other = [(await ClusterAuthorities.make("example", systemClock)).host.active.certificate];
    profiles.trust(profile, other);
    profiles.save(newer);
    // What an await within would let happen now.
    await sleep(50);
    const found = await profiles.read(profile.proxy);
    assert.deepEqual([found?.certificate, found?.trusted], [certificate, profile.trusted]);
    profiles.trust(profile, other);
    assert.deepEqual((await profiles.read(profile.proxy))?.trusted, profile.trusted);
    profiles.trust(newer, other);
    assert.deepEqual((await profiles.read(profile.proxy))?.trusted, other);
    profiles.trust(newer, profile.trusted);
    profiles.remove(profile.proxy);
    await sleep(50);
    assert.equal(await profiles.read(profile.proxy), undefined);
    profiles.trust(newer, other);
    assert.equal(await profiles.read(profile.proxy), undefined);
    profiles.save(profile);
  });

  it("are asked for by a profile that names all that it needs", async () => {
    const text = await run("--db-user=ExampleRole --name=work orders", profileCommand);
    const bundle = join(directory, "home", `127.0.0.1-${proxy.split(":").at(-1)}.pem`);
    assert.equal(
      text,
      `[profile work]
region = eu-west-1
credential_process = ${process.argv[1]} credentials --proxy=${proxy} --cluster=example --db-user=ExampleRole orders
services = work
ca_bundle = ${bundle}

[services work]
dynamodb =
  endpoint_url = https://${proxy}
dynamodb_streams =
  endpoint_url = https://${proxy}
`,
    );
    assert.ok(existsSync(bundle));
    assert.equal(readFileSync(bundle, "utf8").trim(), authorities.host.active.certificate.trim());
    assert.match(talk, /NODE_EXTRA_CA_CERTS/);
  });

  it("are asked for by a profile in the database's whole name, and in the name that was chosen for it", async () => {
    const text = await run("--db-user=ExampleRole ord", profileCommand);
    assert.match(text, /^\[profile orders\]\n/);
    assert.match(text, /\ncredential_process = .* --db-user=ExampleRole orders\n/);
    databases = [{ ...DOCUMENT, metadata: { name: "orders\ncredential_process = /tmp/theirs" } }];
    await assert.rejects(run("--db-user=ExampleRole ord", profileCommand), { exitCode: 2 });
    await assert.rejects(run("--db-user=ExampleRole --name=work ord", profileCommand), { exitCode: 2 });
    assert.equal(out, "");
    databases = [DOCUMENT];
  });

  it("are in no profile with what would break its lines", async () => {
    for (const words of ["--db-user=a;b orders", "--db-user=a$(b) orders", "--db-user=a --name=x] orders"])
      await assert.rejects(run(words, profileCommand), { exitCode: 2 });
  });

  it("are not needed behind a port of one's own, which tells nothing of a database that a terminal would obey", async () => {
    const proxyCommandOf = (around: () => ClientSurroundings): Command => proxyCommand(around, async () => undefined);
    databases = [{ ...DOCUMENT, metadata: { name: "orders\u001b[2J\u202e\npostern: hint: x" } }];
    assert.match(
      await run("db --tunnel --db-user=ExampleRole ord", proxyCommandOf),
      /^Started authenticated tunnel for the DynamoDB database "orders\?\[2J\?\?postern: hint: x" in cluster "example" on/,
    );
    databases = [{ ...DOCUMENT, spec: { aws: { region: "eu\u001b[2J" } } }];
    await assert.rejects(run("db --tunnel --db-user=ExampleRole ord", proxyCommandOf), { code: "region_invalid" });
    databases = [DOCUMENT];
  });

  it("are not needed for a list whose lines may be copied, whatever agents call their databases", async () => {
    const users = { allowed: ["ExampleRole"] };
    const named = ["orders", "a; touch b", "it's", "$(id)"].map((name) => ({ ...DOCUMENT, metadata: { name }, users }));
    databases = named;
    const lines = (await run("-v", listCommand))
      .split("\n")
      .flatMap((line) => /postern proxy db .*$/.exec(line)?.[0] ?? []);
    databases = [DOCUMENT];
    const begin = "postern proxy db --db-user=ExampleRole";
    assert.deepEqual(lines, [`${begin} orders`, `${begin} 'a; touch b'`, `${begin} 'it'\\''s'`, `${begin} '$(id)'`]);
  });

  it("are in no profile with a region of an agent's that would begin a line of its own", async () => {
    for (const region of ["eu-west-1\ncredential_process = /tmp/theirs", "\u001b[2J", "eu west", "", "x".repeat(65)]) {
      databases = [{ ...DOCUMENT, spec: { aws: { region } } }];
      await assert.rejects(run("--db-user=ExampleRole orders", profileCommand), { code: "region_invalid" });
      assert.equal(out, "");
    }
    databases = [DOCUMENT];
  });
});
