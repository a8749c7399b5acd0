/** Logins that a person completes elsewhere while the command line waits: in a browser, or on another device. */

import { createHash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { PosternError } from "../../base/errors.ts";
import { Secret } from "../../base/secret.ts";
import { printable } from "../../base/printable.ts";
import { CommandError } from "../command-error.ts";
import type { Door, LoginAnswer } from "./door.ts";
import { openLoopback } from "./loopback.ts";
import type { ClientSurroundings } from "./surroundings.ts";

export interface WaitingLogin {
  readonly door: Door;
  /** Absent: a user of the cluster's own. */
  readonly connector?: string | undefined;
  /** Whose login a page is to expect, where that is asked for. */
  readonly user?: string | undefined;
  /** PEM. */
  readonly publicKey: string;
  /** Milliseconds. */
  readonly ttl?: number | undefined;
}

/** Waits for a browser on this machine. @param opens whether to open one; else its address is only told */
export async function logInByBrowser(
  { door, connector, user, publicKey, ttl }: WaitingLogin,
  opens: boolean,
  { say, clock, openBrowser }: ClientSurroundings,
): Promise<LoginAnswer> {
  const state = randomBytes(32).toString("base64url");
  // What is brought to the port is worth nothing without it, and it leaves this process only for the cluster.
  const verifier = new Secret(randomBytes(32).toString("base64url"));
  const challenge = createHash("sha256").update(verifier.reveal()).digest("base64url");
  const loopback = await openLoopback(state);
  try {
    const callback = { port: loopback.port, state };
    const { id, url, expires } = await door.beginBrowserLogin({ connector, publicKey, ttl, callback, challenge });
    const address = webAddress(url, "https:");
    if (user !== undefined) address.searchParams.set("user", user);
    const opened = opens && openBrowser(address.href);
    say(
      opened ? "postern: log in in the browser; if none opens, go to\n" : "postern: to log in, open on this machine\n",
    );
    say(`  ${address.href}\n`);
    if (!opened && connector !== undefined)
      say("postern: where no browser runs on this machine, add --headless instead\n");
    say("postern: waiting for the browser …\n");
    const brought = await loopback.waitFor(expires - clock.now());
    if (brought === undefined) throw tooLate();
    return await door.redeem(id, brought === "refused" ? undefined : brought.code, verifier);
  } finally {
    await loopback.close();
  }
}

/** Waits for somebody who confirms the login on any device. */
export async function logInByDevice(
  { door, connector = "", publicKey, ttl }: WaitingLogin,
  { say, clock }: ClientSurroundings,
): Promise<LoginAnswer> {
  const started = await door.beginDeviceLogin({ connector, publicKey, ttl });
  const address = webAddress(started.verificationUri, "https:", "http:");
  say("postern: to log in, open on any device\n");
  say(`  ${address.href}\n`);
  say(`postern: and enter the code  ${printable(started.userCode)}\n`);
  if (started.verificationUriComplete !== null)
    say(`postern: or open  ${webAddress(started.verificationUriComplete, "https:", "http:").href}\n`);
  say("postern: waiting until it is confirmed there …\n");
  let wait = started.interval;
  while (clock.now() + wait < started.expires) {
    await sleep(wait);
    const polled = await door.pollDeviceLogin(started.id, started.secret);
    if ("certificate" in polled) return polled;
    wait = polled.interval;
  }
  throw tooLate();
}

/** An address that a person, or their browser, may be sent to. */
function webAddress(text: string, ...protocols: readonly string[]): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && protocols.includes(url.protocol) && url.username === "" && url.password === "") return url;
  throw new PosternError("proxy_answer_invalid", `Cannot log in: the proxy names "${printable(text)}" as a page`, {
    hint: "check --proxy, and that the versions of both sides go together: postern version",
  });
}

function tooLate(): CommandError {
  return new CommandError(1, "Not logged in: nobody completed the login in time", { hint: "postern login" });
}
