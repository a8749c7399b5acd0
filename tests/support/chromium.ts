/** A real browser for tests: the Chromium that scripts/peers.mjs found, which believes the authority of one cluster. */

import { Buffer } from "node:buffer";
import process from "node:process";
import { type Browser, type BrowserContext, type CDPSession, chromium, type Page } from "playwright-core";
import { peerPaths } from "./peers.ts";

export type { Browser, BrowserContext, Page } from "playwright-core";

/** @param pins of the authorities to believe: `sha256:` and hex digits */
export async function startChromium(pins: readonly string[]): Promise<Browser> {
  const { chromium: executablePath } = await peerPaths();
  if (executablePath === null) throw new Error("Cannot start Chromium: it is not installed");
  const believed = pins.map((pin) => Buffer.from(pin.replace("sha256:", ""), "hex").toString("base64"));
  return await chromium.launch({
    executablePath,
    chromiumSandbox: process.getuid?.() !== 0,
    args: [`--ignore-certificate-errors-spki-list=${believed.join(",")}`],
  });
}

/** An authenticator in the place of a finger on a reader. */
export interface VirtualAuthenticator {
  readonly session: CDPSession;
  readonly id: string;
}

/** Gives a page a device that says yes to everything. */
export async function addAuthenticator(context: BrowserContext, page: Page): Promise<VirtualAuthenticator> {
  const session = await context.newCDPSession(page);
  await session.send("WebAuthn.enable");
  const { authenticatorId: id } = await session.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { session, id };
}
