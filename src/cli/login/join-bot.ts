/** Logging in as a bot: the platform's token for a certificate, and a profile as after any login. */

import { CommandError } from "../command-error.ts";
import { Door } from "./door.ts";
import { fittingProfile } from "./fitting-profile.ts";
import { type LoginOptions, trustingFor, whereTo } from "./log-in.ts";
import { newKey } from "./new-key.ts";
import { platformToken } from "./platform-token.ts";
import type { Profile } from "./profiles.ts";
import type { ClientSurroundings } from "./surroundings.ts";

export interface BotOptions {
  readonly joinMethod?: "github" | "kubernetes";
  /** Name of the join token. */
  readonly token?: string;
  readonly jwtFile?: string;
}

/** Whether somebody wants to log in as a bot. @throws CommandError for what goes with a bot only */
export function isBotLogin({ joinMethod, token, jwtFile }: BotOptions): boolean {
  if (joinMethod !== undefined) return true;
  if (token === undefined && jwtFile === undefined) return false;
  throw new CommandError(2, "Cannot log in: --token and --jwt-file are for bots", {
    hint: "add --join-method=github or --join-method=kubernetes",
  });
}

/** Logs in anew, whatever login there is: each proves where it runs. @returns the profile in use */
export async function joinAsBot(
  options: LoginOptions & BotOptions,
  surroundings: ClientSurroundings,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Profile> {
  const { clock } = surroundings;
  const { joinMethod = "github", token, jwtFile, user, passwordStdin, otp, ttl } = options;
  if (token === undefined)
    throw new CommandError(2, "Cannot log in as a bot: it is not said by which join token", {
      hint: "add --token=NAME",
    });
  if ([user, passwordStdin, otp].some((option) => option !== undefined))
    throw new CommandError(2, "Cannot log in as a bot with --user, --password-stdin or --otp", {
      hint: "the join token says which user the bot is",
    });
  const { known, proxy } = await whereTo(options, surroundings);
  const trusting = await trustingFor(options, proxy, known, surroundings);
  // A cluster that is known must stay the one that it was.
  const expected = trusting.by === "cluster" && options.caPin === undefined ? known?.stated.cluster : undefined;
  const { cluster } = await new Door({ proxy, trusting, clock, cluster: expected }).ping();
  const door = new Door({ proxy, trusting, clock, cluster });
  const jwt = await platformToken({ method: joinMethod, file: jwtFile, audience: cluster, env });
  const { publicKey, privateKey } = newKey();
  const answer = await door.joinBot({ token, jwt, publicKey, ttl });
  // Which user it is was for the cluster to say.
  const asked = { proxy, trusting, cluster, user: undefined, publicKey, privateKey };
  const profile = await fittingProfile(answer, { ...asked, clocks: door.clocks }, surroundings);
  surroundings.profiles.save(profile);
  return profile;
}
