import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { CreateTableCommand, DeleteTableCommand, DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import {
  CreateAccessKeyCommand,
  CreateRoleCommand,
  CreateUserCommand,
  DeleteRolePolicyCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  IAMClient,
  PutRolePolicyCommand,
  PutUserPolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from "@aws-sdk/client-iam";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { ALICE_MAY_NEARLY_EVERYTHING } from "../support/gateway.ts";
import { missing, type Moto, startMoto } from "../support/peers.ts";
import { startPostern } from "../support/postern-process.ts";
import { anyOf, lacking } from "../support/programs.ts";

const MODULE = fileURLToPath(new URL("../../deploy/terraform", import.meta.url));
const ACCOUNT = "123456789012";
const run = promisify(execFile);

interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly Principal?: Readonly<Record<string, string>>;
  readonly Condition?: object;
}

interface Key {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

const PLUGINS = pluginsHere().map((place) => `-plugin-dir=${place}`);
const ABSENT = anyOf(
  await lacking("terraform", ["terraform", "version"]),
  await missing("motoServer"),
  await noProvider(),
);

/** All that can be asked for, in each partition. */
const WHOLE = `tables = ["orders", "audit-*"]\nexternal_id = "tenant-7"\nstreams = true\ncluster_table = "postern"`;
const ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/ABC";
const PLACES = [
  { partition: "aws", region: "us-east-1", ec2: "ec2.amazonaws.com" },
  { partition: "aws-us-gov", region: "us-gov-west-1", ec2: "ec2.amazonaws.com" },
  { partition: "aws-cn", region: "cn-north-1", ec2: "ec2.amazonaws.com.cn" },
] as const;
const US = PLACES[0].region;
const keyOf = ({ partition, region }: { partition: string; region: string }): string =>
  `arn:${partition}:kms:${region}:${ACCOUNT}:key/1234`;

describe("deploy/terraform", { skip: ABSENT }, () => {
  let directory: string;
  let moto: Moto;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "postern-terraform-"));
    moto = await startMoto({ verify: false });
    const place = await root([
      ...PLACES.map((each) => ({ region: each.region, variables: `${WHOLE}\nkms_key_arn = "${keyOf(each)}"` })),
      { region: US, variables: `tables = ["orders"]\n${named("Plain")}` },
      { region: US, variables: `tables = ["orders"]\n${named("Irsa")}\nruns_on = "irsa"\noidc_issuer = "${ISSUER}"` },
      { region: US, variables: `tables = ["orders"]\n${named("Pod")}\nruns_on = "pod-identity"` },
    ]);
    await terraform(place, "apply", "-auto-approve", "-input=false", "-refresh=false", "-parallelism=20");
  });
  after(async () => {
    await moto.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const named = (name: string): string => `agent_role_name = "${name}Agent"\naccess_role_name = "${name}Access"`;

  /** A directory with the module, used several times, and a provider of each partition that reaches moto. */
  async function root(modules: readonly { readonly region: string; readonly variables: string }[]): Promise<string> {
    const place = mkdtempSync(join(directory, "root-"));
    cpSync(MODULE, join(place, "module"), { recursive: true });
    const providers = PLACES.map(
      ({ partition, region }) => `provider "aws" {
  alias                       = "${partition}"
  region                      = "${region}"
  access_key                  = "setup"
  secret_key                  = "setup"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints {
    iam = "${moto.url}"
    sts = "${moto.url}"
  }
}
`,
    );
    const used = modules.map(({ region, variables }, at) => {
      const partition = PLACES.find((each) => each.region === region)?.partition ?? "";
      const own = variables.includes("partition =") ? "" : `partition = "${partition}"\n`;
      return `module "postern_${at}" {\nsource = "./module"\nproviders = { aws = aws.${partition} }\nregion = "${region}"\naccount_id = "${ACCOUNT}"\n${own}${variables}\n}\n`;
    });
    writeFileSync(join(place, "main.tf"), [...providers, ...used].join(""));
    await terraform(place, "init", "-backend=false", "-input=false", ...PLUGINS);
    return place;
  }

  /** The statements of who may assume a role, or of one of its policies. */
  async function statements(region: string, role: string, policy?: string): Promise<readonly Statement[]> {
    const iam = client(moto.url, region);
    const text =
      policy === undefined
        ? (await iam.send(new GetRoleCommand({ RoleName: role }))).Role?.AssumeRolePolicyDocument
        : (await iam.send(new GetRolePolicyCommand({ RoleName: role, PolicyName: policy }))).PolicyDocument;
    return (JSON.parse(decodeURIComponent(text ?? "")) as { Statement: readonly Statement[] }).Statement;
  }

  it("is formatted, and refuses what it cannot mean", async () => {
    await terraform(MODULE, "fmt", "-check", "-diff");
    const place = await root([
      { region: US, variables: `tables = []` },
      { region: US, variables: `tables = ["orders"]\npartition = "aws-gov"` },
      { region: US, variables: `tables = ["arn:aws:dynamodb:us-east-1:1:table/orders"]` },
      { region: US, variables: `tables = ["orders"]\nruns_on = "irsa"` },
    ]);
    const said = await terraform(place, "plan", "-input=false", "-refresh=false").catch(String);
    for (const reason of ["at least one table", "The partition is aws", "not its ARN"])
      assert.ok(said.includes(reason), said);
  });

  for (const place of PLACES) {
    const { partition, region, ec2 } = place;
    it(`gives the least that is needed in ${region}`, async () => {
      const [agent, access] = ["PosternDatabaseService", "ExamplePosternDynamoDBRole"].map(
        (name) => `arn:${partition}:iam::${ACCOUNT}:role/${name}`,
      );
      for (const role of ["PosternDatabaseService", "PosternAuthService"])
        assert.deepEqual(await statements(region, role), [
          { Effect: "Allow", Principal: { Service: ec2 }, Action: "sts:AssumeRole" },
        ]);
      assert.deepEqual(await statements(region, "PosternDatabaseService", "assume-access-role"), [
        { Effect: "Allow", Action: ["sts:AssumeRole"], Resource: access },
      ]);
      assert.deepEqual(await statements(region, "ExamplePosternDynamoDBRole"), [
        {
          Effect: "Allow",
          Principal: { AWS: agent },
          Action: ["sts:AssumeRole"],
          Condition: { StringEquals: { "sts:ExternalId": "tenant-7" } },
        },
      ]);
      const table = `arn:${partition}:dynamodb:${region}:${ACCOUNT}:table`;
      const all = await statements(region, "ExamplePosternDynamoDBRole", "tables");
      const tables = all.filter(({ Effect }) => Effect === "Allow");
      // However tables is written: what the cluster itself is kept in is nobody's.
      assert.deepEqual(
        all.filter(({ Effect }) => Effect === "Deny"),
        [{ Effect: "Deny", Action: ["dynamodb:*"], Resource: [`${table}/postern`, `${table}/postern/*`] }],
      );
      assert.deepEqual(
        tables.map(({ Resource }) => Resource),
        [
          [`${table}/orders`, `${table}/orders/index/*`, `${table}/audit-*`, `${table}/audit-*/index/*`],
          [`${table}/orders/stream/*`, `${table}/audit-*/stream/*`],
          "*",
          "*",
        ],
      );
      // What has no resource to be narrowed to, and nothing else, is for all of them.
      assert.deepEqual(
        tables.filter(({ Resource }) => Resource === "*").flatMap(({ Action }) => Action),
        ["dynamodb:ListStreams", "dynamodb:ListTables"],
      );
      const store = await statements(region, "PosternAuthService", "cluster-store");
      assert.deepEqual(
        store.map(({ Resource }) => Resource),
        [`${table}/postern`, keyOf(place)],
      );
      for (const action of [...tables, ...store].flatMap(({ Action }) => Action))
        assert.doesNotMatch(action, /\*|DeleteTable|Policy|:Update(?:Table|Cont)/);
    });
  }

  it("lets service accounts of one name and namespace in, by OIDC or pod identity", async () => {
    const [irsa] = await statements(US, "IrsaAgent");
    assert.deepEqual(irsa?.Principal, { Federated: `arn:aws:iam::${ACCOUNT}:oidc-provider/${ISSUER}` });
    assert.deepEqual(irsa?.Condition, {
      StringEquals: {
        [`${ISSUER}:sub`]: "system:serviceaccount:postern:postern-agent",
        [`${ISSUER}:aud`]: "sts.amazonaws.com",
      },
    });
    const [pod] = await statements(US, "PodAgent");
    assert.deepEqual(pod?.Principal, { Service: "pods.eks.amazonaws.com" });
  });

  describe("in force", () => {
    const region = US;
    let iam: IAMClient;
    const [PLAIN, STRICT] = ["PlainAccess", "ExamplePosternDynamoDBRole"];
    let agent: Key;
    let stranger: Key;
    let other: string;

    // Moto knows sessions by other names than trust policies, and compares no ARNs of tables: a user stands in for the agent's
    // role, with the role's own policy as it is, and the policy about tables is for all of them. All else is as applied.
    before(async () => {
      iam = client(moto.url, region);
      const admin = await user("admin", { Effect: "Allow", Action: "*", Resource: "*" });
      const policies = await Promise.all(
        ["PlainAgent", "PosternDatabaseService"].map((name) => documentOf(name, "assume-access-role")),
      );
      agent = await user("agent", ...policies.flatMap(({ Statement }) => Statement));
      stranger = await user("stranger", ...policies.flatMap(({ Statement }) => Statement));
      for (const name of [PLAIN, STRICT]) {
        const { Role } = await iam.send(new GetRoleCommand({ RoleName: name }));
        const trust = decodeURIComponent(Role?.AssumeRolePolicyDocument ?? "");
        const standIn = trust.replace(/arn:aws:iam::\d+:role\/\w+/, `arn:aws:iam::${ACCOUNT}:user/agent`);
        assert.notEqual(standIn, trust);
        await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName: name, PolicyDocument: standIn }));
        const { Statement } = await documentOf(name, "tables");
        const widened = JSON.stringify({
          Version: "2012-10-17",
          Statement: Statement.filter(({ Effect }) => Effect === "Allow").map((one) => ({ ...one, Resource: "*" })),
        });
        await iam.send(new PutRolePolicyCommand({ RoleName: name, PolicyName: "tables", PolicyDocument: widened }));
      }
      const { Role } = await iam.send(
        new CreateRoleCommand({
          RoleName: "Other",
          AssumeRolePolicyDocument: JSON.stringify({
            Version: "2012-10-17",
            Statement: [
              { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${ACCOUNT}:user/agent` }, Action: "sts:AssumeRole" },
            ],
          }),
        }),
      );
      other = Role?.Arn ?? "";
      await database({ accessKeyId: "setup", secretAccessKey: "setup" }).send(
        new CreateTableCommand({
          TableName: "orders",
          KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
          AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
          BillingMode: "PAY_PER_REQUEST",
        }),
      );
      iam = client(moto.url, region, admin);
      await fetch(`${moto.url}/moto-api/reset-auth`, {
        method: "POST",
        headers: { "content-type": "text/plain" },
        body: "0",
      });
    });
    async function documentOf(role: string, policy: string): Promise<{ Statement: readonly Statement[] }> {
      const { PolicyDocument } = await iam.send(new GetRolePolicyCommand({ RoleName: role, PolicyName: policy }));
      return JSON.parse(decodeURIComponent(PolicyDocument ?? "")) as { Statement: readonly Statement[] };
    }

    async function user(name: string, ...Statement: readonly Statement[]): Promise<Key> {
      await iam.send(new CreateUserCommand({ UserName: name }));
      const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement });
      await iam.send(new PutUserPolicyCommand({ UserName: name, PolicyName: "own", PolicyDocument }));
      const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: name }));
      return { accessKeyId: AccessKey?.AccessKeyId ?? "", secretAccessKey: AccessKey?.SecretAccessKey ?? "" };
    }

    function database(credentials: Key): DynamoDBClient {
      return new DynamoDBClient({ endpoint: moto.url, region, credentials, maxAttempts: 1 });
    }

    async function assume(credentials: Key, RoleArn: string, ExternalId?: string): Promise<Key> {
      const sts = new STSClient({ endpoint: moto.url, region, credentials, maxAttempts: 1 });
      const { Credentials } = await sts.send(
        new AssumeRoleCommand({
          RoleArn,
          RoleSessionName: "alice",
          ...(ExternalId === undefined ? {} : { ExternalId }),
        }),
      );
      return {
        accessKeyId: Credentials?.AccessKeyId ?? "",
        secretAccessKey: Credentials?.SecretAccessKey ?? "",
        sessionToken: Credentials?.SessionToken ?? "",
      };
    }

    const arn = (name: string): string => `arn:aws:iam::${ACCOUNT}:role/${name}`;
    const get = new GetItemCommand({ TableName: "orders", Key: { id: { S: "ada#1" } } });
    const denied = { name: /AccessDenied/ };
    // Moto's refusals are XML, which the client of DynamoDB cannot read.
    const forbidden = (error: { $response?: { statusCode: number } }): boolean => error.$response?.statusCode === 403;

    it("lets the agent assume the access role and no other, and do nothing itself", async () => {
      await assert.rejects(assume(agent, other), denied);
      await assert.rejects(assume(stranger, arn(PLAIN)), denied);
      await assert.rejects(database(agent).send(get), forbidden);
      const session = await assume(agent, arn(PLAIN));
      await database(session).send(get);
      await assert.rejects(database(session).send(new DeleteTableCommand({ TableName: "orders" })), forbidden);
    });

    it("asks for the external id where there is one", async () => {
      // Moto lets a call without any pass, which AWS does not.
      await assert.rejects(assume(agent, arn(STRICT), "another"), denied);
      await database(await assume(agent, arn(STRICT), "tenant-7")).send(get);
    });

    it("is what a request through Postern needs, and without it there is none", async () => {
      const postern = await startPostern({
        resources: ALICE_MAY_NEARLY_EVERYTHING.replaceAll("ExampleRole", PLAIN),
        uri: moto.url,
        dbUser: PLAIN,
        env: {
          AWS_ACCESS_KEY_ID: agent.accessKeyId,
          AWS_SECRET_ACCESS_KEY: agent.secretAccessKey,
          AWS_ENDPOINT_URL_STS: moto.url,
        },
      });
      const through = new DynamoDBClient({
        endpoint: postern.url,
        region,
        credentials: { accessKeyId: "any", secretAccessKey: "any" },
        maxAttempts: 1,
      });
      try {
        await through.send(get);
        await iam.send(new DeleteRolePolicyCommand({ RoleName: PLAIN, PolicyName: "tables" }));
        await assert.rejects(through.send(get));
      } finally {
        await postern.close();
      }
    });
  });
});

/** Where a machine without a network keeps providers, besides the places that terraform itself looks at. */
function pluginsHere(): readonly string[] {
  const places = [process.env["POSTERN_TERRAFORM_PLUGINS"], "/opt/tf-plugins"];
  return places.filter((place): place is string => place !== undefined && existsSync(place)).slice(0, 1);
}

async function noProvider(): Promise<string | false> {
  if (PLUGINS.length > 0) return false;
  const place = mkdtempSync(join(tmpdir(), "postern-terraform-"));
  try {
    cpSync(MODULE, place, { recursive: true });
    await terraform(place, "init", "-backend=false", "-input=false");
    return false;
  } catch {
    return "terraform cannot get hashicorp/aws here: name its place in POSTERN_TERRAFORM_PLUGINS";
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Runs terraform with nothing of this machine's own settings. @throws Error with what it said */
async function terraform(cwd: string, ...words: readonly string[]): Promise<string> {
  const { TF_CLI_CONFIG_FILE: _, ...env } = process.env;
  try {
    const { stdout } = await run("terraform", [...words, ...(words[0] === "fmt" ? [] : ["-no-color"])], { cwd, env });
    return stdout;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`terraform ${words.join(" ")}: ${stdout.slice(-2000)}${stderr}`.replaceAll(/\s+/g, " "));
  }
}

function client(
  url: string,
  region: string,
  credentials: Key = { accessKeyId: "setup", secretAccessKey: "setup" },
): IAMClient {
  return new IAMClient({ endpoint: url, region, credentials, maxAttempts: 1 });
}
