/** Logging in again on the terminal of a port that stays open meanwhile. */

import { printable } from "../../base/printable.ts";
import { askSecret, GivenUp } from "../login/ask.ts";
import { logIn } from "../login/log-in.ts";
import type { Profile } from "../login/profiles.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";

export interface LogInAgainOptions {
  /** The profile as it is now. */
  readonly profile: () => Promise<Profile>;
  /** Ends asking. */
  readonly signal: AbortSignal;
  /** Called when whoever is asked wants to end it all. */
  readonly onGivenUp: () => void;
}

/** How often it is looked at whether somebody has logged in on another terminal, in milliseconds. */
const LOOK_EVERY_MS = 500;

/**
 * Asks, until somebody has logged in here or on another terminal. One at a time: who comes meanwhile waits for the same.
 * Connections wait, and the port stays open.
 */
export function logInAgain(
  { profile, signal, onGivenUp }: LogInAgainOptions,
  around: ClientSurroundings,
): () => Promise<void> {
  const { input, say, clock } = around;
  const ask = async (): Promise<void> => {
    const elsewhere = new AbortController();
    const look = setInterval(() => {
      profile().then(
        ({ stated }) => {
          if (clock.now() < stated.expires) elsewhere.abort();
        },
        () => undefined,
      );
    }, LOOK_EVERY_MS);
    try {
      say("postern: the login has ended; the port stays open\n");
      const { stated, proxy } = await profile();
      await askSecret(
        input,
        `Press Enter to log in again as ${printable(stated.user.name)}`,
        "log in again with postern login",
        say,
        AbortSignal.any([signal, elsewhere.signal]),
      );
      clearInterval(look);
      // On another terminal another cluster may be in use.
      await logIn({ proxy: proxy.text, user: stated.user.name }, around, { use: false });
      say("postern: logged in again\n");
    } catch (error) {
      if (elsewhere.signal.aborted) return;
      if (error instanceof GivenUp && !signal.aborted) onGivenUp();
      throw error;
    } finally {
      clearInterval(look);
    }
  };
  let running: Promise<void> | undefined;
  return () => (running ??= ask().finally(() => (running = undefined)));
}
