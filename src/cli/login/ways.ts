/** The ways into a cluster, and which of them a login goes. */

import type { Secret } from "../../base/secret.ts";
import { quoted } from "../../identity/names.ts";
import { printable } from "../../base/printable.ts";
import { CommandError } from "../command-error.ts";
import { askSecret, secretFrom } from "./ask.ts";
import type { Door, LoginAnswer, Welcome } from "./door.ts";
import type { LoginOptions } from "./log-in.ts";
import type { ClientSurroundings } from "./surroundings.ts";
import { logInByBrowser, logInByDevice } from "./waiting-logins.ts";

/** How somebody proves who they are. */
export interface Way {
  readonly by: "password" | "browser" | "device";
  /** Absent: to the cluster itself. */
  readonly connector?: string;
  /** Whether the cluster asks for a code beside the password. */
  readonly asksCode: boolean;
}

/** What is asked for on any way. */
export interface AskedLogin {
  readonly door: Door;
  /** Absent: whoever the connector says. */
  readonly user: string | undefined;
  /** PEM. */
  readonly publicKey: string;
  /** Milliseconds. */
  readonly ttl: number | undefined;
}

/** The way that options ask for, where the cluster has it; without any, the cluster's usual one. @throws CommandError */
export function wayIn(options: LoginOptions, { local, connectors, secondFactor }: Welcome): Way {
  const { auth, headless = false } = options;
  const names = connectors.map(({ name }) => name);
  const [only] = names;
  const connector = auth === undefined ? (!local && names.length === 1 ? only : undefined) : auth;
  if ((connector === undefined || connector === "local") && !local)
    throw new CommandError(2, "Cannot log in: this cluster lets nobody in by a password", {
      hint: names.length === 0 ? "ask its administrator for a connector" : `choose one: ${choices(names)}`,
    });
  if (connector === undefined || connector === "local") {
    if (headless)
      throw new CommandError(2, "Cannot log in with --headless: that is for connectors", {
        hint: names.length === 0 ? "this cluster has none: leave --headless out" : choices(names),
      });
    const byPasskey = secondFactor === "webauthn";
    if (byPasskey && (options.passwordStdin === true || options.otp !== undefined))
      throw new CommandError(2, "Cannot log in by a password alone: this cluster asks for a passkey, in a browser", {
        hint: "leave --password-stdin and --otp out",
      });
    return { by: byPasskey ? "browser" : "password", asksCode: secondFactor === "otp" };
  }
  if (!names.includes(connector))
    throw new CommandError(2, `Cannot log in by ${quoted(connector)}: this cluster has no such connector`, {
      hint: names.length === 0 ? "leave --auth out" : choices(names),
    });
  if (options.passwordStdin === true || options.otp !== undefined)
    throw new CommandError(2, `Cannot hand a password to connector ${quoted(connector)}: its provider asks for it`, {
      hint: "leave --password-stdin and --otp out",
    });
  return { by: headless ? "device" : "browser", connector, asksCode: false };
}

/** Goes it. */
export async function comeIn(
  { by, connector, asksCode }: Way,
  { door, user, publicKey, ttl }: AskedLogin,
  options: LoginOptions,
  surroundings: ClientSurroundings,
): Promise<LoginAnswer> {
  const waiting = { door, connector, user: connector === undefined ? user : undefined, publicKey, ttl };
  if (by === "device") return await logInByDevice(waiting, surroundings);
  if (by === "browser") return await logInByBrowser(waiting, options.browser !== "none", surroundings);
  const name = user ?? "";
  const password =
    options.passwordStdin === true
      ? await secretFrom(
          surroundings.input,
          "leave --password-stdin out to be asked, or hand in a file: --password-stdin < password",
        )
      : await askFor("password", name, surroundings);
  const asks = asksCode && options.otp === undefined;
  const otp = asks ? (await askFor("code", name, surroundings)).reveal().trim() : options.otp;
  return await door.login({ user: name, password, otp, publicKey, ttl });
}

function choices(names: readonly string[]): string {
  return names.map((name) => `--auth=${printable(name)}`).join(" or ");
}

function askFor(what: "password" | "code", user: string, { input, say }: ClientSurroundings): Promise<Secret> {
  return what === "password"
    ? askSecret(input, `Password of ${user}`, "hand it in with --password-stdin", say)
    : askSecret(input, "Code of the authenticator app", "hand it in with --otp", say);
}
