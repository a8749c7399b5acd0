/** People who can log in, put into the store of a configuration as the command line does it, while nothing serves it. */

import { systemClock } from "../../src/base/clock.ts";
import { Secret } from "../../src/base/secret.ts";
import { type LocalAdministration, withAdministration } from "../../src/cli/ctl/local.ts";
import type { Config } from "../../src/config/config.ts";
import { People } from "../../src/control/people.ts";
import { Passwords } from "../../src/identity/passwords.ts";
import { documents } from "./cluster.ts";

/** Creates what the documents say, and gives each of the users this password. @returns what `more` gives */
export async function fillStore<T>(
  config: Config,
  filling: { readonly yaml: string; readonly users: readonly string[]; readonly password: string },
  more: (done: LocalAdministration & { readonly people: People }) => Promise<T>,
): Promise<T> {
  return await withAdministration(config, "writes", async (administrating) => {
    const { administration, actor } = administrating;
    await administration.create(actor, documents(filling.yaml), { force: false });
    const passwords = new Passwords({ cost: { ln: 10, r: 8, p: 1 } });
    const people = new People({ ...administrating, passwords, clock: systemClock });
    for (const name of filling.users) await people.setPassword(actor, name, new Secret(filling.password));
    return await more({ ...administrating, people });
  });
}
