import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { resolveDatabase } from "../../../src/aws/database.ts";
import { DRAIN_MS } from "../../../src/cli/start/run-gateway.ts";
import { parseAddress } from "../../../src/config/address.ts";
import { parseConfig } from "../../../src/config/load.ts";
import { DIAGNOSTICS } from "../../../src/telemetry/diagnostics.ts";

const root = new URL("../../../", import.meta.url);
const text = (path: string): string => readFileSync(new URL(path, root), "utf8");

/** As much of a manifest as is looked at. */
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly template: { readonly spec: PodSpec };
    readonly selector: { readonly matchLabels: object };
    readonly volumeClaimTemplates: readonly { readonly metadata: { readonly name: string } }[];
  };
}

interface PodSpec {
  readonly serviceAccountName: string;
  readonly automountServiceAccountToken?: boolean;
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: object;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly configMap?: { readonly name: string } }[];
}

interface Container {
  readonly image: string;
  readonly args?: readonly string[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext: object;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly [probe: `${string}Probe`]: { readonly httpGet: { readonly path: string; readonly port: string } };
}

describe("deploy/kubernetes", () => {
  for (const [file, secret] of [
    ["cluster.yaml", "sealing.key"],
    ["agent.yaml", "token"],
  ] as const) {
    const manifests = parseAllDocuments(text(`deploy/kubernetes/${file}`)).map((each) => each.toJS() as Manifest);
    const of = (kind: string): Manifest => {
      const found = manifests.find((each) => each.kind === kind);
      assert.ok(found !== undefined, kind);
      return found;
    };
    const pod = (): PodSpec => of("StatefulSet").spec?.template.spec as PodSpec;
    const [main] = [(): Container => pod().containers[0] as Container];
    const config = (): ReturnType<typeof parseConfig> =>
      parseConfig(of("ConfigMap").data?.["postern.yaml"] ?? "", "/etc/postern/postern.yaml", {
        env: {},
        validateDatabase: resolveDatabase,
      });

    it(`${file}: start reads its configuration, and keeps what it writes in a volume of its own`, () => {
      const { postern, db_service, proxy_service, auth_service } = config();
      const mounts = main().volumeMounts;
      const volume = mounts.find(({ mountPath }) => postern.data_dir.startsWith(`${mountPath}/`))?.name;
      assert.deepEqual(
        of("StatefulSet").spec?.volumeClaimTemplates.map(({ metadata }) => metadata.name),
        [volume],
      );
      assert.ok(mounts.some(({ mountPath }) => (main().args ?? []).includes(`${mountPath}/postern.yaml`)));
      assert.ok(pod().volumes.some(({ configMap }) => configMap?.name === of("ConfigMap").metadata.name));
      if (file === "agent.yaml") {
        assert.ok(db_service.enabled && db_service.databases.length === 1 && postern.proxy_server !== undefined);
        const token = postern.auth_token?.kind === "file" ? postern.auth_token.path : "";
        assert.ok(mounts.some(({ mountPath }) => token === `${mountPath}/${secret}`));
      } else {
        assert.deepEqual(auth_service?.storage, { type: "dynamodb", table: "postern", region: "us-east-1" });
        const door = proxy_service?.listen_addr;
        assert.ok(door?.kind === "tcp" && door.host === "0.0.0.0");
        assert.equal(main().ports?.find(({ name }) => name === "door")?.containerPort, door.port);
        const mounted = pod().initContainers?.flatMap(({ volumeMounts }) => volumeMounts) ?? [];
        assert.ok(mounted.some(({ mountPath }) => mountPath === "/run/sealing-key"));
      }
    });

    it(`${file}: is asked for its health where it answers, and gets the time to end that it takes`, () => {
      const { args = [], ports = [] } = main();
      const diagnostics = parseAddress(args[args.indexOf("--diag-addr") + 1] ?? "");
      assert.ok("address" in diagnostics && diagnostics.address.kind === "tcp");
      assert.equal(ports.find(({ name }) => name === "diagnostics")?.containerPort, diagnostics.address.port);
      for (const [probe, path] of [
        ["startupProbe", "/healthz"],
        ["livenessProbe", "/healthz"],
        ["readinessProbe", "/readyz"],
      ] as const) {
        assert.ok(path in DIAGNOSTICS);
        assert.deepEqual(main()[probe]?.httpGet, { path, port: "diagnostics" });
      }
      assert.ok(pod().terminationGracePeriodSeconds > DRAIN_MS / 1000 + 5);
    });

    it(`${file}: runs with no right that it does not need`, () => {
      assert.equal(pod().automountServiceAccountToken, false);
      const { runAsNonRoot, seccompProfile } = pod().securityContext as Record<string, unknown>;
      assert.deepEqual([runAsNonRoot, seccompProfile], [true, { type: "RuntimeDefault" }]);
      for (const { securityContext } of [...pod().containers, ...(pod().initContainers ?? [])]) {
        assert.deepEqual(securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        });
      }
      // What terraform lets into the role, by name.
      const account = of("ServiceAccount");
      assert.equal(pod().serviceAccountName, account.metadata.name);
      assert.ok(text("deploy/terraform/service-roles.tf").includes(`"${account.metadata.name}"`));
      const role = account.metadata.annotations?.["eks.amazonaws.com/role-arn"]?.split("/").at(-1) ?? "";
      assert.ok(text("deploy/terraform/variables.tf").includes(`"${role}"`));
    });

    it(`${file}: has a budget for disruptions of the very pods`, () => {
      assert.deepEqual(of("PodDisruptionBudget").spec?.selector, of("StatefulSet").spec?.selector);
    });

    it(`kustomization.yaml: takes ${file}, and ${secret} from a file that the repository does not have`, () => {
      const kustomization = text("deploy/kubernetes/kustomization.yaml");
      assert.ok(kustomization.includes(file) && kustomization.includes(`files: [${secret}]`));
      assert.ok(text(".gitignore").includes(`deploy/kubernetes/${secret}\n`));
    });
  }
});

describe("deploy/docker/Dockerfile", () => {
  const lines = text("deploy/docker/Dockerfile").replaceAll("\\\n", " ").split("\n");
  const valueOf = (word: string): string =>
    lines
      .findLast((line) => line.startsWith(`${word} `))
      ?.slice(word.length + 1)
      .trim() ?? "";

  it("runs what the package runs, on a Node that it runs on, and not as root", () => {
    const { bin, name, engines } = JSON.parse(text("package.json")) as {
      bin: { postern: string };
      name: string;
      engines: { node: string };
    };
    assert.ok(valueOf("ENTRYPOINT").includes(`/node_modules/${name}/${bin.postern}"`));
    const node = Number(/^node:(\d+)-/.exec(valueOf("FROM"))?.[1]);
    assert.ok(node >= Number(/\d+/.exec(engines.node)?.[0]));
    assert.match(valueOf("USER"), /^[1-9]\d*:[1-9]\d*$/);
  });

  it("asks for its health where its command serves it", () => {
    const command = JSON.parse(valueOf("CMD")) as string[];
    const address = command[command.indexOf("--diag-addr") + 1] ?? "";
    assert.ok(valueOf("HEALTHCHECK").includes(`http://${address}/healthz`));
    assert.equal(valueOf("STOPSIGNAL"), "SIGTERM");
  });

  it("takes nothing into its context but the archive", () => {
    assert.equal(text("deploy/docker/Dockerfile.dockerignore"), "*\n!postern-*.tgz\n");
    assert.deepEqual(
      lines.filter((line) => line.startsWith("COPY ")),
      ["COPY postern-*.tgz /tmp/postern.tgz", "COPY --from=install /opt/postern /opt/postern"],
    );
  });
});
