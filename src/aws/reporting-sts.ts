/** STS with somebody told of each AssumeRole, for a metric. */

import type { Sts } from "./sts.ts";

/** The same STS; `report` hears how each call of AssumeRole went. */
export function reportingSts(sts: Sts, report: (outcome: "ok" | "failed") => void): Sts {
  return {
    isOverridden: sts.isOverridden,
    ownCredentials: () => sts.ownCredentials(),
    async assumeRole(call) {
      try {
        const credentials = await sts.assumeRole(call);
        report("ok");
        return credentials;
      } catch (error) {
        report("failed");
        throw error;
      }
    },
    close: () => sts.close(),
  };
}
