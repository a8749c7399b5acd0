/** Fills the store's port to DynamoDB with our signer and Node's fetch, for DynamoDB Local. */

import { systemClock } from "../../src/base/clock.ts";
import { AwsCredentials } from "../../src/aws/aws-credentials.ts";
import { Signer } from "../../src/aws/signer.ts";
import type { DynamoDbCall } from "../../src/store/dynamodb-call.ts";

/** A caller of the DynamoDB that listens at this URL. */
export async function dynamoDbCaller(url: string): Promise<DynamoDbCall> {
  const signer = await Signer.create({ clock: systemClock });
  const credentials = new AwsCredentials({
    accessKeyId: "AKIDEXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  });
  return async (operation, body) => {
    const bytes = Buffer.from(JSON.stringify(body));
    const { host: _, ...headers } = await signer.sign({
      method: "POST",
      host: new URL(url).host,
      path: "/",
      region: "us-east-1",
      service: "dynamodb",
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": `DynamoDB_20120810.${operation}` },
      body: bytes,
      credentials,
    });
    const answer = await fetch(url, { method: "POST", headers, body: bytes });
    return { status: answer.status, body: await answer.json() };
  };
}
