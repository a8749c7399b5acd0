/** One GET over https: bounded in size and time, and never led elsewhere. */

import { request } from "node:https";
import { boundedText } from "../base/bounded-text.ts";

export interface HttpsGetOptions {
  /** PEM of whom to believe in the place of those that the system trusts. */
  readonly ca?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 131_072;

/** The text at an address. @throws Error for another scheme, any status but 200, and what is too large or too late */
export async function getHttps(url: string, { ca, headers = {} }: HttpsGetOptions = {}): Promise<string> {
  const target = new URL(url);
  if (target.protocol !== "https:") throw new Error("it is not https");
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  return await new Promise((resolve, reject) => {
    const trust = ca === undefined ? {} : { ca };
    const sent = request(target, {
      method: "GET",
      headers: { ...headers, accept: "application/json" },
      signal,
      agent: false,
      ...trust,
    });
    sent.once("error", reject);
    sent.once("response", (answer) => {
      if (answer.statusCode === 200) boundedText(answer, MAX_BYTES).then(resolve, reject);
      else sent.destroy(new Error(`it answered ${answer.statusCode}`));
    });
    sent.end();
  });
}
