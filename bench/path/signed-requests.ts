/** Requests signed as AWS's SDKs do it, with the credentials of a session. Pure but for the time, which is an argument. */

import { createHash, createHmac } from "node:crypto";
import { DATABASE } from "../load/roles.ts";
import type { Sign } from "../load/operations.ts";
import type { SdkCredentials } from "./cluster.ts";

/** Signs with these credentials at this time: good for five minutes. */
export function signingWith({ AccessKeyId, SecretAccessKey, SessionToken }: SdkCredentials, at: Date): Sign {
  const date = at.toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
  const day = date.slice(0, 8);
  const scope = `${day}/${DATABASE.region}/dynamodb/aws4_request`;
  const key = [day, DATABASE.region, "dynamodb", "aws4_request"].reduce<string | Buffer>(
    (last, text) => createHmac("sha256", last).update(text).digest(),
    `AWS4${SecretAccessKey}`,
  );
  return (given, body) => {
    const added = { "x-amz-date": date, "x-amz-security-token": SessionToken };
    const headers: Readonly<Record<string, string>> = { ...given, ...added };
    const names = Object.keys(headers).sort();
    const canonical = [
      "POST\n/\n",
      ...names.map((name) => `${name}:${headers[name]}`),
      "",
      names.join(";"),
      sha256(body),
    ].join("\n");
    const signature = createHmac("sha256", key)
      .update(`AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256(canonical)}`)
      .digest("hex");
    return {
      ...added,
      authorization: `AWS4-HMAC-SHA256 Credential=${AccessKeyId}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`,
    };
  };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
