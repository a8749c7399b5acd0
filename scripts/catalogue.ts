/** Generates src/dynamodb/model.ts from botocore's service models, or checks that it is what they generate. */

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import type { Model, Shape } from "../src/dynamodb/model-types.ts";
import { unannotated } from "./lib/unannotated.ts";

const BOTOCORE = "1.44.8";
const SERVICES = ["dynamodb", "dynamodbstreams"];
const TARGET = fileURLToPath(new URL("../src/dynamodb/model.ts", import.meta.url));
const USAGE = `usage: npx tsx scripts/catalogue.ts [--check | --news] [--python PATH]
  --check   write nothing; exit 1 when src/dynamodb/model.ts is not what botocore ${BOTOCORE} generates
  --news    write nothing; list what the botocore of PATH, of any version, has that the catalogue does not know, and exit 1
            when there is anything; the gateway refuses it meanwhile
  --python  a Python that has botocore ${BOTOCORE} (python3 -m venv V && V/bin/pip install botocore==${BOTOCORE})`;

/** What we read of a service-2.json. */
interface ServiceModel {
  readonly metadata: { readonly targetPrefix: string };
  readonly operations: Readonly<Record<string, { readonly input: { readonly shape: string } }>>;
  readonly shapes: Readonly<Record<string, ServiceShape>>;
}

interface ServiceShape {
  readonly type: string;
  readonly members?: Readonly<Record<string, { readonly shape: string }>>;
  readonly required?: readonly string[];
  readonly member?: { readonly shape: string };
  readonly key?: { readonly shape: string };
  readonly value?: { readonly shape: string };
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: string;
  readonly enum?: readonly string[];
}

main(process.argv.slice(2));

function main(argv: readonly string[]): void {
  const python = argv.includes("--python") ? argv[argv.indexOf("--python") + 1] : "python3";
  if (argv.includes("--help") || python === undefined) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  if (argv.includes("--news")) {
    const news = unannotated(modelOf(dataFolder(python, true)));
    for (const line of news) process.stdout.write(`${line}\n`);
    process.exitCode = news.length === 0 ? 0 : 1;
    return;
  }
  const text = generate(dataFolder(python));
  if (!argv.includes("--check")) {
    writeFileSync(TARGET, text);
    process.stderr.write("catalogue: wrote src/dynamodb/model.ts\n");
  } else if (readFileSync(TARGET, "utf8") !== text) {
    process.stderr.write(`catalogue: src/dynamodb/model.ts differs from what botocore ${BOTOCORE} generates\n`);
    process.exitCode = 1;
  }
}

function dataFolder(python: string, anyVersion = false): string {
  const said = execFileSync(python, ["-c", "import botocore; print(botocore.__version__); print(botocore.__file__)"], {
    encoding: "utf8",
  });
  const [version, file] = said.trim().split("\n");
  if ((version !== BOTOCORE && !anyVersion) || file === undefined) {
    throw new Error(`Cannot generate the model: botocore is ${version ?? "absent"}, ${BOTOCORE} is pinned\n${USAGE}`);
  }
  return join(file, "..", "data");
}

function modelOf(data: string): Model {
  const { inputs, shapes } = collected(data);
  return {
    inputs,
    shapes: Object.fromEntries([...shapes].map(([name, { shape }]) => [name, shape])),
  };
}

type Collected = Map<string, { readonly shape: Shape; readonly printed: string }>;

function collected(data: string): { inputs: Record<string, string>; shapes: Collected } {
  const inputs: Record<string, string> = {};
  const shapes: Collected = new Map();
  for (const service of SERVICES) {
    const model = JSON.parse(
      gunzipSync(readFileSync(join(data, service, "2012-08-10", "service-2.json.gz"))).toString("utf8"),
    ) as ServiceModel;
    for (const [name, operation] of Object.entries(model.operations)) {
      inputs[`${model.metadata.targetPrefix}.${name}`] = operation.input.shape;
      collect(model, operation.input.shape, shapes);
    }
  }
  return { inputs, shapes };
}

function generate(data: string): string {
  const { inputs, shapes } = collected(data);
  const lines = [...shapes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { printed }]) => `    ${name}: ${printed},`);
  const targets = Object.entries(inputs).map(
    ([target, shape]) => `    ${JSON.stringify(target)}: ${JSON.stringify(shape)},`,
  );
  return [
    `/** Every operation's input: botocore ${BOTOCORE}, by \`npx tsx scripts/catalogue.ts\`; not edited. */`,
    "",
    'import type { Model } from "./model-types.ts";',
    "",
    "// oxfmt-ignore",
    "export const MODEL: Model = {",
    "  inputs: {",
    ...targets,
    "  },",
    "  shapes: {",
    ...lines,
    "  },",
    "};",
    "",
  ].join("\n");
}

/** Adds the shape and all that it contains. Two services may share a name only when they mean the same. */
function collect(model: ServiceModel, name: string, shapes: Collected): void {
  const shape = model.shapes[name];
  if (shape === undefined) throw new Error(`Cannot generate the model: no shape "${name}"`);
  const compacted = compact(name, shape);
  const printed = print(compacted);
  const known = shapes.get(name)?.printed;
  if (known !== undefined && known !== printed)
    throw new Error(`Cannot generate the model: "${name}" means two things`);
  if (known !== undefined) return;
  shapes.set(name, { shape: compacted, printed });
  const parts = [...Object.values(shape.members ?? {}), shape.member, shape.key, shape.value];
  for (const part of parts) if (part !== undefined) collect(model, part.shape, shapes);
}

function compact(name: string, shape: ServiceShape): Shape {
  const range = {
    ...(shape.min === undefined ? {} : { min: shape.min }),
    ...(shape.max === undefined ? {} : { max: shape.max }),
  };
  switch (shape.type) {
    case "structure":
      return {
        t: "structure",
        of: Object.fromEntries(Object.entries(shape.members ?? {}).map(([member, { shape: of }]) => [member, of])),
        ...(shape.required === undefined ? {} : { required: shape.required }),
      };
    case "list":
      return { t: "list", of: nameOf(name, shape.member), ...range };
    case "map":
      return { t: "map", key: nameOf(name, shape.key), of: nameOf(name, shape.value), ...range };
    case "string": {
      const pattern = usablePattern(shape.pattern);
      return {
        t: "string",
        ...range,
        ...(pattern === undefined ? {} : { pattern }),
        ...(shape.enum === undefined ? {} : { enum: shape.enum }),
      };
    }
    case "integer":
    case "long":
      return { t: shape.type, ...range };
    case "boolean":
    case "blob":
    case "timestamp":
    case "double":
      return { t: shape.type };
    default:
      throw new Error(`Cannot generate the model: "${name}" has the unknown type "${shape.type}"`);
  }
}

function nameOf(owner: string, part: { readonly shape: string } | undefined): string {
  if (part === undefined) throw new Error(`Cannot generate the model: "${owner}" lacks a part`);
  return part.shape;
}

/** The model's patterns are Java's; the few that JavaScript does not understand guard nothing that policy sees. */
function usablePattern(pattern: string | undefined): string | undefined {
  if (pattern === undefined) return undefined;
  try {
    new RegExp(`^(?:${pattern})$`, "u");
    return pattern;
  } catch {
    return undefined;
  }
}

function print(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(print).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([key, member]) => `${/^\w+$/.test(key) ? key : JSON.stringify(key)}: ${print(member)}`,
  );
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
}
