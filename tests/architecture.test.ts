import { deepEqual, equal, ok } from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const src = join(root, "src");

/** Which rooms a room may import, beside itself. */
const table: Readonly<Record<string, readonly string[]>> = {
  base: [],
  telemetry: ["base"],
  dynamodb: ["base"],
  policy: ["base"],
  aws: ["base"],
  identity: ["base"],
  sandbox: ["base"],
  audit: ["base", "identity"],
  store: ["base", "identity", "audit"],
  gateway: ["base", "telemetry", "dynamodb", "policy", "aws", "identity", "audit"],
  client: ["base", "identity"],
  agent: ["base", "telemetry", "identity", "client"],
  tunnel: ["base", "telemetry", "identity", "gateway"],
  control: ["base", "telemetry", "identity", "policy", "audit", "store"],
  "local-proxy": ["base", "telemetry", "identity"],
  // The rooms whose own sections a configuration file holds.
  config: ["base", "aws", "identity"],
  // The ports that it fills.
  platform: ["base", "telemetry", "gateway"],
};

/** Packages that only some places may import; a place is a room or a file. */
const packages: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^hono(\/|$)/, ["gateway", "control"]],
  [/^@open-policy-agent\/opa-wasm$/, ["policy/wasm.ts"]],
  [/^@aws-sdk\/client-(?:sts|kms)$/, ["aws"]],
  [/^@smithy\/signature-v4$/, ["aws"]],
  [/^(libsql|node:sqlite)/, ["store"]],
  [/^otpauth$/, ["identity/totp.ts"]],
  [/^@peculiar\//, ["identity"]],
  [/^jose$/, ["identity"]],
  [/^openid-client$/, ["control"]],
  [/^@simplewebauthn\//, ["identity/webauthn.ts"]],
  [/^qr(\/|$)/, ["control/web/link-pages.ts"]],
  // The yardstick of the bench.
  [/^undici$/, []],
  [/^dynalite$/, ["sandbox"]],
];

interface Source {
  /** Below src/, with slashes. */
  readonly path: string;
  readonly room: string;
  readonly text: string;
  /** The text without comments. */
  readonly code: string;
  readonly imports: readonly string[];
}

const sources = await readSources();

describe("the house", () => {
  it("has files to look at", () => {
    ok(sources.length > 20);
  });

  it("lets each room import only what the table of ARCHITECTURE.md allows", () => {
    deepEqual(faults(faultOfImport), []);
  });

  it("keeps the sandbox out of what ships", () => {
    const importsSandbox = (source: Source, imported: string): string | undefined =>
      roomOf(imported) === "sandbox" && source.room !== "sandbox" ? "imports the sandbox" : undefined;
    deepEqual(faults(importsSandbox), []);
  });

  it("has no cycle between rooms", () => {
    const edges = new Map<string, Set<string>>();
    for (const source of sources) {
      for (const imported of source.imports.map((name) => pathOf(source, name))) {
        if (imported === undefined || roomOf(imported) === source.room) continue;
        edges.set(source.room, (edges.get(source.room) ?? new Set()).add(roomOf(imported)));
      }
    }
    deepEqual(cycleIn(edges), []);
  });

  it("imports each outside package only where it belongs", () => {
    const wrong = sources.flatMap((source) =>
      source.imports.flatMap((name) =>
        packages
          .filter(
            ([pattern, places]) => pattern.test(name) && !places.includes(source.room) && !places.includes(source.path),
          )
          .map(() => `${source.path} imports ${name}`),
      ),
    );
    deepEqual(wrong, []);
  });

  it("names a runtime's own globals only in platform/ and in the command line", () => {
    const wrong = sources
      .filter((source) => !["platform", "cli", "main"].includes(source.room))
      .flatMap((source) =>
        ["Deno", "Bun", "process", "Buffer", "setImmediate", "require", "__dirname", "__filename"]
          .filter((name) => usesGlobal(source.code, name))
          .map((name) => `${source.path} uses ${name} without importing it`),
      );
    deepEqual(wrong, []);
  });

  it("issues users' certificates in one place only, which looks who may have one", () => {
    const places = new Set(["identity/certificates.ts", "control/user-certificates.ts"]);
    deepEqual(
      pathsWhere((source) => !places.has(source.path) && /\bissueUserCertificate\b/.test(source.code)),
      [],
    );
  });

  it("ends the process in main.ts only", () => {
    deepEqual(
      pathsWhere((source) => source.path !== "main.ts" && /\bprocess\.exit\(/.test(source.code)),
      [],
    );
  });

  it("lets no write be cut short unseen: only writeFileSync() goes on until all is written", () => {
    deepEqual(
      pathsWhere(({ code }) => /(?<!\+= *)\bwriteSync\(/.test(code)),
      [],
    );
  });

  it("says SQL in store/ only", () => {
    const isPartiql = (source: Source): boolean => source.path.includes("dynamodb/partiql/");
    const sql = /["'`]\s*(?:SELECT .+ FROM|INSERT INTO \w+ \(|CREATE TABLE|DELETE FROM|UPDATE \w+ SET)\b/;
    deepEqual(
      // PartiQL looks the same, and is DynamoDB's.
      pathsWhere((source) => source.room !== "store" && !isPartiql(source) && sql.test(source.code)),
      [],
    );
  });

  it("has kebab-case files of at most 400 lines that open with what they own", () => {
    const generated = (source: Source): boolean => /\.generated\.|\/generated\//.test(source.path);
    deepEqual(
      pathsWhere((source) => !/^(?:[a-z0-9-]+\/)*[a-z0-9-]+(?:\.generated|\.d)?\.ts$/.test(source.path)),
      [],
    );
    deepEqual(
      pathsWhere((source) => !generated(source) && source.text.split("\n").length > 401),
      [],
    );
    deepEqual(
      pathsWhere((source) => !source.text.startsWith("/**")),
      [],
    );
  });

  it("has no module-level mutable state", () => {
    deepEqual(
      pathsWhere((source) => /^(?:export )?(?:let|var) /m.test(source.code)),
      [],
    );
  });

  it("names only paths that exist in its guides", async () => {
    const wrong: string[] = [];
    for (const guide of ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"]) {
      if (!existsSync(join(root, guide))) continue;
      const text = await readFile(join(root, guide), "utf8");
      for (const [, path = ""] of text.matchAll(
        /[`(]((?:src|tests|policies|bench|docs|examples|scripts|deploy|bin)\/[\w./-]*)/g,
      )) {
        if (!existsSync(join(root, path))) wrong.push(`${guide}: ${path}`);
      }
    }
    deepEqual(wrong, []);
  });

  it("would notice a forbidden import, a global and a cycle", () => {
    const planted = (path: string, code: string): Source => toSource(path, code);
    const bad = planted(
      "dynamodb/x.ts",
      'import { Pdp } from "../policy/pdp.ts";\nconst at = import("../aws/sts.ts");',
    );
    deepEqual(
      bad.imports.map((name) => faultOfImport(bad, pathOf(bad, name) ?? "")),
      ["imports policy", "imports aws"],
    );
    ok(usesGlobal("const a = process.env;", "process"));
    equal(usesGlobal('import process from "node:process";\nprocess.cwd();', "process"), false);
    equal(usesGlobal("request.process.run()", "process"), false);
    equal(
      cycleIn(
        new Map([
          ["a", new Set(["b"])],
          ["b", new Set(["a"])],
        ]),
      ).length > 0,
      true,
    );
  });
});

function faultOfImport(source: Source, imported: string): string | undefined {
  const room = roomOf(imported);
  if (room === source.room) return undefined;
  // Those that join everything together.
  if (source.room === "cli" || source.room === "compose" || source.room === "main" || source.room === "mod")
    return undefined;
  const allowed = table[source.room];
  if (allowed === undefined) return "is in a room that the table does not have";
  return allowed.includes(room) ? undefined : `imports ${room}`;
}

function faults(judge: (source: Source, imported: string) => string | undefined): string[] {
  return sources.flatMap((source) =>
    source.imports.flatMap((name) => {
      const imported = pathOf(source, name);
      const fault = imported === undefined ? undefined : judge(source, imported);
      return fault === undefined ? [] : [`${source.path} ${fault} (${name})`];
    }),
  );
}

function pathsWhere(is: (source: Source) => boolean): string[] {
  return sources.filter(is).map((source) => source.path);
}

/** The imported file below src/, or `undefined` for a package and for what lies outside. */
function pathOf(source: Source, name: string): string | undefined {
  if (!name.startsWith(".")) return undefined;
  const path = relative(src, resolve(src, dirname(source.path), name)).replaceAll("\\", "/");
  return path.startsWith("..") ? undefined : path;
}

/** The folder below src/, or the file's own name for those directly in it. */
function roomOf(path: string): string {
  return path.split("/")[0]?.replace(/\.ts$/, "") ?? "";
}

function usesGlobal(code: string, name: string): boolean {
  const imported = new RegExp(`import[^;]*\\b${name}\\b[^;]*from`).test(code);
  return !imported && new RegExp(`(?<![\\w.#$"'\`/-])${name}(?:\\.\\w|\\()`).test(code);
}

function cycleIn(edges: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const finished = new Set<string>();
  const visit = (room: string, trail: readonly string[]): string[] => {
    if (trail.includes(room)) return [...trail.slice(trail.indexOf(room)), room];
    if (finished.has(room)) return [];
    for (const next of edges.get(room) ?? []) {
      const found = visit(next, [...trail, room]);
      if (found.length > 0) return found;
    }
    finished.add(room);
    return [];
  };
  return [...edges.keys()].map((room) => visit(room, [])).find((found) => found.length > 0) ?? [];
}

async function readSources(): Promise<Source[]> {
  const files = (await readdir(src, { recursive: true })).filter((file) => file.endsWith(".ts")).sort();
  return Promise.all(
    files.map(async (file) => toSource(file.replaceAll("\\", "/"), await readFile(join(src, file), "utf8"))),
  );
}

function toSource(path: string, text: string): Source {
  // Comments may quote imports. A comment mark inside a string ends nothing that matters here.
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");
  const found = code.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)"([^"]+)"/g);
  return { path, room: roomOf(path), text, code, imports: [...found].map((match) => match[1] ?? "") };
}
