/** Opening a browser of the person at this machine, where there is one. */

import { spawn } from "node:child_process";
import process from "node:process";

type Environment = Readonly<Record<string, string | undefined>>;

/** Opens an address. False when it is not known how: then somebody must be told the address. */
export function openBrowser(url: string): boolean {
  const command = browserCommand(process.platform, process.env);
  if (command === undefined) return false;
  const [file, ...words] = command;
  try {
    const child = spawn(file, [...words, url], { stdio: "ignore", detached: true });
    // Whoever waits has been told the address as well.
    child.once("error", () => undefined);
    child.unref();
    return true;
  } catch {
    return false;
  }
}

/** The program, and what it is told before the address; never a shell. */
export function browserCommand(platform: string, env: Environment): readonly [string, ...string[]] | undefined {
  const own = env["BROWSER"];
  if (own === "none") return undefined;
  if (own !== undefined && own !== "") return [own];
  if (platform === "darwin") return ["open"];
  if (platform === "win32") return ["rundll32", "url.dll,FileProtocolHandler"];
  const hasDisplay = [env["DISPLAY"], env["WAYLAND_DISPLAY"]].some(
    (display) => display !== undefined && display !== "",
  );
  return hasDisplay ? ["xdg-open"] : undefined;
}
