/** What a person should hear at once of a gateway that serves but will refuse: readiness alone would tell only who asks. */

import type { OpenGateway } from "../../compose.ts";
import type { Log } from "../../telemetry/log.ts";

/** Warns of listeners without a user, and of AWS credentials that cannot be had. */
export async function firstLook({ listeners, services }: OpenGateway, log: Log): Promise<void> {
  const { directory, databases } = services.state();
  for (const { address, user } of listeners) {
    if (directory.principalOf(user) !== undefined) continue;
    log.warn({ address, user }, "There is no such user: every request on this listener is denied until there is");
  }
  const probe = await services.credentials.probe(databases.values());
  if (probe.ready) return;
  const { message, hint } = probe.error;
  log.warn(
    { error: message, ...(hint === undefined ? {} : { hint }) },
    "There are no usable AWS credentials: what policy allows is answered with 503 until there are; postern doctor says more",
  );
}
