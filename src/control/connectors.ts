/** Connectors as the store keeps them: the provider's secret sealed, for this connector, provider and client only. */

import { PosternError } from "../base/errors.ts";
import { quoted } from "../identity/names.ts";
import { type OidcConnector, parseOidcConnector } from "../identity/oidc-connector.ts";
import { DocumentError } from "../identity/problem.ts";
import { isSealed, type KeyRing, type SealingContext } from "../identity/sealing.ts";
import { isMapping } from "../identity/teleport-keys.ts";
import type { Store, StoredValue } from "../store/store.ts";
import type { Kind } from "./kinds.ts";
import { isStorable } from "./world.ts";

const KIND = "oidc";

/** What people choose from. */
export interface ShownConnector {
  readonly name: string;
  /** What people see. */
  readonly display: string;
}

/**
 * Documents of connectors. A secret is sealed before it is kept, so that who reads the document, or the store, has none;
 * sealed it can be handed in again, as long as connector, provider and client are the same.
 */
export function connectorKind(ring: KeyRing | undefined): Kind {
  return {
    kind: KIND,
    noun: "connector",
    read(document) {
      const { value, warnings } = parseOidcConnector(document);
      return { name: value.name, warnings };
    },
    async judge(document) {
      const connector = parseOidcConnector(document).value;
      if (connector.clientSecret === undefined) return;
      if (ring === undefined)
        throw new PosternError("connector_unsealed", "Cannot keep a connector's secret: nothing is there to seal it");
      if (!isSealed(connector.clientSecret.reveal())) return;
      try {
        ring.open(connector.clientSecret.reveal(), clientSecretContext(connector));
      } catch {
        const path = ["spec", "client_secret"];
        const message =
          "spec.client_secret: what is sealed there is not the secret of this connector, provider and client";
        const hint = "write the secret itself, as the provider gave it";
        throw new DocumentError("oidc_invalid", "Cannot load a connector", [{ path, message, hint }]);
      }
    },
    keep(document) {
      const connector = parseOidcConnector(document).value;
      const { clientSecret } = connector;
      if (clientSecret === undefined || isSealed(clientSecret.reveal())) return document;
      const { spec, ...rest } = document as { readonly [name: string]: StoredValue };
      if (ring === undefined || !isMapping(spec)) throw new Error("A connector was kept that nobody judged");
      return {
        ...rest,
        spec: { ...spec, client_secret: ring.seal(clientSecret, clientSecretContext(connector)) } as StoredValue,
      };
    },
  };
}

/** The connectors of a store. */
export class Connectors {
  readonly #store: Store;
  readonly #ring: KeyRing;

  constructor(store: Store, ring: KeyRing) {
    this.#store = store;
    this.#ring = ring;
  }

  /** One, with its secret. @throws PosternError `connector_unknown`, and what keeps it from being read or its secret from being opened */
  async named(name: string): Promise<OidcConnector> {
    const found = isStorable(name) ? await this.#store.get(KIND, name) : undefined;
    if (found === undefined) {
      throw new PosternError("connector_unknown", `Cannot log in by ${quoted(name)}: there is no such connector`, {
        hint: "GET /webapi/ping names those that there are; ask whoever administers the cluster",
      });
    }
    const connector = parseOidcConnector(found.value).value;
    const sealed = connector.clientSecret?.reveal();
    if (sealed === undefined) return connector;
    return { ...connector, clientSecret: this.#ring.open(sealed, clientSecretContext(connector)) };
  }

  /** All that can be read, by name. */
  async shown(): Promise<readonly ShownConnector[]> {
    const found = await this.#store.list(KIND);
    return found.flatMap(({ value }) => {
      try {
        const { name, display } = parseOidcConnector(value).value;
        return [{ name, display: display ?? name }];
      } catch {
        return [];
      }
    });
  }
}

/**
 * Where the secret of a connector is sealed: `spec.client_secret` of its document. It must not go to another provider than
 * the one that gave it, whatever somebody writes over its address.
 */
export function clientSecretContext({ name, issuerUrl, clientId }: OidcConnector): SealingContext {
  return { kind: KIND, name, purpose: `secret of client ${JSON.stringify([issuerUrl, clientId])}` };
}
