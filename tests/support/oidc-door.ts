/** A cluster's door with a connector, and a command line and a browser that log in by it. */

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { documents, ROOT } from "./cluster.ts";
import { type Answered, startDoor, type TestDoor } from "./door.ts";
import { agreeAs } from "./identity-provider.ts";
import { type Shown, WebBrowser } from "./web-browser.ts";

export const STATE = "s".repeat(22);
export const PORT = 40_000;

export interface Begun {
  readonly id: string;
  readonly url: string;
  readonly verifier: string;
}

export interface OidcDoor extends TestDoor {
  readonly redirectUrl: string;
  browser(): WebBrowser;
  /** Puts a connector into the cluster, or another one in its place. */
  connect(yaml: string): Promise<void>;
  begin(connector: string, more?: object): Promise<Begun>;
  /** The page in front of the provider, sent: where that leads. */
  depart(begun: Begun, browser: WebBrowser, until?: (url: URL) => boolean): Promise<Shown>;
  /** All that a browser does. */
  go(begun: Begun, account: string, browser?: WebBrowser): Promise<Shown>;
  redeem(begun: Begun, landed: Shown): Promise<Answered>;
  post(path: string, body: object): Promise<Answered>;
}

export async function openOidcDoor(yaml: string, more: { readonly localAuth?: boolean } = {}): Promise<OidcDoor> {
  const door = await startDoor(yaml, "off", more);
  const ca = (await door.cluster.authority("host")).active.certificate;
  const browser = (): WebBrowser => new WebBrowser(ca);
  const post = (path: string, body: object): Promise<Answered> => door.call(path, { method: "POST", body });
  const depart: OidcDoor["depart"] = async (begun, using, until) => {
    const page = await using.open(begun.url);
    assert.equal(page.status, 200, page.text);
    return await using.submit(page, {}, until);
  };
  return {
    ...door,
    redirectUrl: `https://localhost:${door.port}/web/oidc/callback`,
    browser,
    async connect(text) {
      await door.administration.create(ROOT, documents(text), { force: true });
    },
    async begin(connector, more = {}) {
      // More than one place's worth is begun here.
      door.advance(60_000);
      const verifier = randomBytes(32).toString("base64url");
      const { json, status, text } = await post("/v1/login/browser", {
        connector,
        public_key: door.keys.publicKey,
        callback_port: PORT,
        callback_state: STATE,
        challenge: createHash("sha256").update(verifier).digest("base64url"),
        ...more,
      });
      assert.equal(status, 200, text);
      return { ...(json as { id: string; url: string }), verifier };
    },
    depart,
    async go(begun, account, using = browser()) {
      return await agreeAs(using, await depart(begun, using), account);
    },
    async redeem({ id, verifier }, { url }) {
      const code = url.searchParams.get("code");
      return await post("/v1/login/redeem", { id, verifier, ...(code === null ? {} : { code }) });
    },
    post,
  };
}

/** The code of an answer that is an error, with its status. */
export function refusalOf({ status, json }: Answered): string {
  return `${status} ${(json as { error?: { code?: string } } | undefined)?.error?.code ?? "-"}`;
}
