/** The one table of what in the store is sealed by the ring, read by whoever seals it anew and by who counts it. */

import { parseAuthority, sealingContextOf } from "../identity/authority.ts";
import type { KeyRing, SealingContext } from "../identity/sealing.ts";
import { GUARD_KEY } from "../store/guarded-store.ts";
import type { StoredResource, StoredValue } from "../store/store.ts";
import { parseOidcConnector } from "../identity/oidc-connector.ts";
import { AUTHORITY, GUARD_CONTEXT } from "./cluster.ts";
import { clientSecretContext } from "./connectors.ts";
import { deviceCodeContext } from "./device-logins.ts";
import { INVITE, linkContext } from "./links.ts";
import { legContext } from "./oidc-logins.ts";
import { totpContext, USER_SECRET } from "./user-secrets.ts";

/** A sealed text within a value, and where it belongs. */
interface SealedPlace {
  readonly path: readonly string[];
  readonly context: SealingContext;
}

/** A kind of resource that holds sealed texts. */
export interface SealedKind {
  readonly kind: string;
  /** The file that seals them: tests hold the sources to this table. */
  readonly sealedIn: string;
  /** Where they may be in a resource; places that hold none are passed over. */
  places(resource: Pick<StoredResource, "name" | "value">): readonly SealedPlace[];
}

/** Every kind that holds sealed texts. What is sealed anywhere else keeps an old key from being retired. */
export const SEALED_KINDS: readonly SealedKind[] = [
  {
    kind: GUARD_KEY.kind,
    sealedIn: "src/control/cluster.ts",
    places: () => [{ path: ["sealed"], context: GUARD_CONTEXT }],
  },
  {
    kind: AUTHORITY,
    sealedIn: "src/identity/authority-keys.ts",
    places({ value }) {
      const { kind, cluster, active, other } = parseAuthority(value);
      return Object.entries({ active, other }).flatMap(([member, key]) =>
        key === undefined
          ? []
          : [{ path: [member, "sealedKey"], context: sealingContextOf(kind, cluster, key.certificate) }],
      );
    },
  },
  {
    kind: USER_SECRET,
    sealedIn: "src/control/user-secrets.ts",
    places: ({ name }) => [{ path: ["totp", "sealed"], context: totpContext(name) }],
  },
  {
    kind: INVITE,
    sealedIn: "src/control/links.ts",
    places: ({ name }) => [{ path: ["totp"], context: linkContext({ token_hash: name }) }],
  },
  {
    kind: "oidc",
    sealedIn: "src/control/connectors.ts",
    places: ({ value }) => [
      { path: ["spec", "client_secret"], context: clientSecretContext(parseOidcConnector(value).value) },
    ],
  },
  {
    kind: "browser_login",
    sealedIn: "src/control/oidc-logins.ts",
    places: ({ name }) => [{ path: ["leg", "verifier"], context: legContext(name) }],
  },
  {
    kind: "device_login",
    sealedIn: "src/control/device-logins.ts",
    places: ({ name }) => [{ path: ["device_code"], context: deviceCodeContext(name) }],
  },
];

/** Files that seal what is kept by others, for a minute at most. */
export const SEALED_ELSEWHERE: readonly string[] = ["src/control/join-challenges.ts"];

/** Kinds in which nothing is ever sealed: what looks like it there is what people, or their providers, wrote. */
const PLAIN: ReadonlySet<string> = new Set(["user", "role", "lock", "token", "db", "host"]);

/** Kinds that hold what providers said beside what is sealed, and where that is. */
const ONLY_AT: Readonly<Record<string, readonly string[] | undefined>> = {
  browser_login: ["leg", "verifier"],
  device_login: ["device_code"],
};

/** The ids of the keys under which anything in a resource is sealed, as it lies in the store; wherever it stands, where we do not know better. */
export function keysSealing({ kind, value }: Pick<StoredResource, "kind" | "value">): readonly string[] {
  if (PLAIN.has(kind)) return [];
  const path = ONLY_AT[kind];
  return path === undefined ? keysIn(value) : keysIn(at(value, ["value", ...path]) as StoredValue | undefined);
}

function keysIn(value: StoredValue | undefined): readonly string[] {
  if (typeof value === "string") return /^sealed:1:([0-9a-f]{16}):/.exec(value)?.slice(1, 2) ?? [];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap((member: StoredValue) => keysIn(member));
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((held, step) => (held as Record<string, unknown> | null | undefined)?.[step], value);
}

/**
 * The value with all that is registered of it under the key that seals now; undefined when it is so already.
 *
 * @throws PosternError of the ring, for what cannot be opened
 */
export function resealed(
  resource: Pick<StoredResource, "kind" | "name" | "value">,
  ring: KeyRing,
): StoredValue | undefined {
  const kind = SEALED_KINDS.find((one) => one.kind === resource.kind);
  let { value } = resource;
  for (const { path, context } of kind?.places(resource) ?? []) {
    const text = at(value, path);
    if (typeof text !== "string" || !ring.needsResealing(text)) continue;
    value = withText(value, path, ring.reseal(text, context));
  }
  return value === resource.value ? undefined : value;
}

function withText(value: StoredValue, [step, ...rest]: readonly string[], text: string): StoredValue {
  if (step === undefined) return text;
  const object = value as { readonly [name: string]: StoredValue };
  return { ...object, [step]: withText(object[step] ?? null, rest, text) };
}
