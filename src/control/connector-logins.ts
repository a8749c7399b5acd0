/** All ways into a cluster that a command line begins and waits for: in a browser, by way of a provider, on another device. */

import type { Log } from "../telemetry/log.ts";
import type { AdmissionOptions } from "./admission.ts";
import { BrowserLogins } from "./browser-logins.ts";
import { ConnectorUsers } from "./connector-users.ts";
import { Connectors } from "./connectors.ts";
import { DeviceLogins } from "./device-logins.ts";
import { IdentityProviders } from "./identity-providers.ts";
import { OidcLogins } from "./oidc-logins.ts";

export interface ConnectorLoginsOptions extends AdmissionOptions {
  /** Where browsers reach the door: `https://host:port`, without a path. */
  readonly publicUrl: () => string;
  /** Names of users that files beside the store define. */
  readonly taken: () => Promise<ReadonlySet<string>>;
  readonly log: Log;
}

/** The ways, as the door serves them. */
export interface ConnectorLogins {
  readonly connectors: Connectors;
  readonly browserLogins: BrowserLogins;
  readonly oidcLogins: OidcLogins;
  readonly deviceLogins: DeviceLogins;
}

/** Opens all of them over one cluster. */
export function connectorLogins(options: ConnectorLoginsOptions): ConnectorLogins {
  const { cluster, ring, clock } = options;
  const connectors = new Connectors(cluster.store, ring);
  const users = new ConnectorUsers({ ...options, connectors });
  const providers = new IdentityProviders(clock);
  const browserLogins = new BrowserLogins({ ...options, users });
  const common = { ...options, connectors, users, providers };
  return {
    connectors,
    browserLogins,
    oidcLogins: new OidcLogins({ ...common, logins: browserLogins }),
    deviceLogins: new DeviceLogins(common),
  };
}
