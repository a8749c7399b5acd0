import assert from "node:assert/strict";
import { it } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { Secret } from "../../../src/base/secret.ts";
import { IdentityProviders } from "../../../src/control/identity-providers.ts";
import { parseOidcConnector } from "../../../src/identity/oidc-connector.ts";

const LEG = {
  redirectUrl: "https://postern.example.com/cb",
  state: "s",
  nonce: "n",
  verifier: new Secret("v".repeat(43)),
};

/** A provider that says this of itself, and what was asked of it. */
function saying(issuerUrl: string, metadata: object): { go(): Promise<URL>; asked: string[] } {
  const asked: string[] = [];
  const send = async (input: unknown): Promise<Response> => {
    asked.push(String(input));
    return Response.json({
      authorization_endpoint: `${issuerUrl}/authorize`,
      token_endpoint: `${issuerUrl}/token`,
      ...metadata,
    });
  };
  const providers = new IdentityProviders(systemClock, send as typeof fetch);
  const connector = parseOidcConnector({
    kind: "oidc",
    version: "v3",
    metadata: { name: "corp" },
    spec: {
      issuer_url: issuerUrl,
      client_id: "postern",
      redirect_url: LEG.redirectUrl,
      claims_to_roles: [{ claim: "groups", value: "dev", roles: ["dev"] }],
    },
  }).value;
  return { go: () => providers.authorizationUrl(connector, LEG), asked };
}

it("a provider that would speak for anybody's tenants is none, also one that libraries make an exception for", async () => {
  for (const [issuer, said] of [
    ["https://login.microsoftonline.com/common/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0"],
    ["https://example.b2clogin.com/example/v2.0", "https://example.b2clogin.com/0000/v2.0"],
  ] as const)
    await assert.rejects(saying(issuer, { issuer: said }).go(), { code: "oidc_provider_invalid" });
});

it("what a provider says of itself is asked for once, and found with or without a slash", async () => {
  const provider = saying("https://id.example.com/x", { issuer: "https://id.example.com/x" });
  const [first] = [await provider.go(), await provider.go()];
  assert.equal(first.origin, "https://id.example.com");
  assert.deepEqual(provider.asked, ["https://id.example.com/x/.well-known/openid-configuration"]);
  assert.equal(
    (await saying("https://id.example.com", { issuer: "https://id.example.com/" }).go()).pathname,
    "/authorize",
  );
});
