/** The token by which a platform says what runs on it: asked of GitHub Actions, or read where Kubernetes puts it. */

import { readFileSync, statSync } from "node:fs";
import * as z from "zod";
import { messageOf } from "../../base/errors.ts";
import { Secret } from "../../base/secret.ts";
import { getHttps } from "../../platform/https-get.ts";
import { CommandError } from "../command-error.ts";

export interface PlatformTokenOptions {
  readonly method: "github" | "kubernetes";
  /** Where the token is, in the place of the platform's own. */
  readonly file?: string | undefined;
  /** For whom it is to be, where it is asked for. */
  readonly audience: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const MAX_BYTES = 16_384;
/** As in Teleport's guides. */
const KUBERNETES_FILE = "/var/run/secrets/tokens/join-sa-token";

/** @throws CommandError when there is none */
export async function platformToken({ method, file, audience, env }: PlatformTokenOptions): Promise<Secret> {
  if (file !== undefined) return tokenIn(file, "check --jwt-file");
  if (method === "github") return await githubToken(audience, env);
  const hint = `mount a service account token for audience ${audience} there, or name its file with --jwt-file or KUBERNETES_TOKEN_PATH`;
  return tokenIn(env["KUBERNETES_TOKEN_PATH"] ?? KUBERNETES_FILE, hint);
}

async function githubToken(audience: string, env: PlatformTokenOptions["env"]): Promise<Secret> {
  const [url, bearer] = [env["ACTIONS_ID_TOKEN_REQUEST_URL"], env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]];
  if (url === undefined || bearer === undefined)
    throw new CommandError(1, "Cannot ask GitHub for a token: this is no job that may have one", {
      hint: "write permissions: {id-token: write} in the workflow, or hand one in with --jwt-file",
    });
  try {
    const asked = new URL(url);
    asked.searchParams.set("audience", audience);
    const text = await getHttps(asked.href, { headers: { authorization: `Bearer ${bearer}` } });
    return new Secret(ANSWER.parse(JSON.parse(text)).value);
  } catch (cause) {
    // What was answered is not repeated: it may hold the token.
    const reason =
      cause instanceof z.ZodError || cause instanceof SyntaxError ? "its answer has none" : messageOf(cause);
    throw new CommandError(1, `Cannot ask GitHub for a token: ${reason}`, {
      hint: "try again, or hand one in with --jwt-file",
    });
  }
}

function tokenIn(file: string, hint: string): Secret {
  let text: string;
  try {
    if (statSync(file).size > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES} bytes`);
    text = readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw new CommandError(1, `Cannot read the platform's token in "${file}": ${messageOf(cause)}`, { hint });
  }
  if (text === "") throw new CommandError(1, `Cannot read the platform's token in "${file}": it is empty`, { hint });
  return new Secret(text);
}

const ANSWER = z.object({ value: z.string().min(1).max(MAX_BYTES) });
