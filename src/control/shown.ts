/** Resources as they are shown to somebody: the built-in ones among them, and secrets hidden unless they are asked for. */

import { BUILT_IN_ROLES } from "../identity/built-in-roles.ts";
import { maskedName } from "../identity/join-tokens.ts";
import type { StoredValue } from "../store/store.ts";

/** A resource as it is shown. */
export interface ShownResource {
  readonly kind: string;
  readonly name: string;
  readonly value: StoredValue;
  /** Absent for what is built in. */
  readonly revision?: string;
}

/** A role that every cluster has, as a document. */
export function builtInRole(name: string): ShownResource {
  const role = BUILT_IN_ROLES.find((one) => one.name === name);
  const { description = "", allow = {}, deny = {} } = role ?? {};
  const value = { kind: "role", version: "v7", metadata: { name, description }, spec: { allow, deny } };
  return { kind: "role", name, value: JSON.parse(JSON.stringify(value)) as StoredValue };
}

/** The same without what joins: a token's name is all that it takes, unless an AWS identity is asked for besides. */
export function withoutSecrets({ kind, name, value, revision }: ShownResource): ShownResource {
  const shown = kind === "token" ? maskedName({ name, method: methodOf(value) }) : name;
  const copy = kind === "token" ? renamed(value, shown) : value;
  return { kind, name: shown, value: copy, ...(revision === undefined ? {} : { revision }) };
}

function methodOf(value: StoredValue): "token" | "iam" {
  const { spec } = Object(value) as { readonly spec?: { readonly join_method?: unknown } | null };
  // Whatever else it says: hidden for once too often is better.
  return spec?.join_method === "iam" ? "iam" : "token";
}

function renamed(value: StoredValue, name: string): StoredValue {
  const document = Object(value) as { readonly [key: string]: StoredValue };
  const metadata = Object(document["metadata"]) as { readonly [key: string]: StoredValue };
  return { ...document, metadata: { ...metadata, name } };
}
