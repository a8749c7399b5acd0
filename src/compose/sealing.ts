/** The keys that seal a cluster's secrets, from where the configuration says they are, and followed while a process runs. */

import { SdkKms } from "../aws/kms.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import type { Config, SealingSection } from "../config/config.ts";
import { isNew } from "../control/cluster.ts";
import { followState, type KeyPlace, SEALING_STATE } from "../control/sealing.ts";
import {
  addSealingKey,
  dropSealingKey,
  type KeyRing,
  keyRingFromFile,
  type SealingKeyFile,
  sealingKeysIn,
  writeSealingKeys,
} from "../identity/sealing.ts";
import {
  type KeyService,
  newWrappedKey,
  parseWrappedKey,
  unwrapKeyRing,
  unwrapKeys,
  wrapKey,
  type WrappedKey,
} from "../identity/wrapped-keys.ts";
import { isRace } from "../store/store-errors.ts";
import type { Store, StoredResource, StoredValue } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { OpenCluster } from "./store.ts";

/** What opening the ring gives. */
export interface OpenKeys {
  readonly keys: KeyPlace;
  readonly ring: KeyRing;
}

type KmsSection = Extract<SealingSection, { type: "kms" }>;

const SEALING_KEY = "sealing_key";
/** A store tells of a change within a second, and KMS needs a moment. */
const SPREAD_MS = 3_000;
const RETRY_MS = 2_000;

/**
 * Opens the ring of a store. Only for a store that holds no cluster yet a key is made.
 *
 * @throws PosternError `sealing_key_…`
 */
export async function openKeys(config: Config, store: Store): Promise<OpenKeys> {
  const make = await isNew(store);
  const section = sectionOf(config);
  if (section.type === "file") {
    const file = fileOf(config, section.path);
    return { keys: new KeysInFile(file, store), ring: keyRingFromFile(file, { make }) };
  }
  const keys = new KeysInStore(store, kmsOf(section), clusterOf(config));
  if (make) await keys.makeFirst();
  return { keys, ring: await keys.read() };
}

/** Follows which key seals, and keys that come, until it is ended. */
export async function followKeys({ cluster, ring, keys }: OpenCluster, log: Log): Promise<() => Promise<void>> {
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  let failure: string | undefined;
  let last: Promise<void> = Promise.resolve();
  const look = (): void => {
    last = last.then(async () => {
      if (ended) return;
      try {
        await followState(cluster, ring, await keys.read());
        failure = undefined;
      } catch (error) {
        const reason = messageOf(error);
        if (reason !== failure) log.error({ error: reason }, "Cannot follow the sealing keys; those at hand open");
        failure = reason;
        clearTimeout(timer);
        timer = setTimeout(look, RETRY_MS);
        timer.unref();
      }
    });
  };
  const unwatch = await cluster.store.watch((changes) => {
    if (changes.some(({ kind }) => kind === SEALING_STATE || kind === SEALING_KEY)) look();
  }, look);
  return async () => {
    ended = true;
    clearTimeout(timer);
    await unwatch();
    await last;
  };
}

/** Wraps the keys of the key file and puts them into the store, in the place of any there. @returns their ids, the one that seals first */
export async function wrapKeys(
  config: Config,
  { cluster, ring }: OpenCluster,
  kms: KmsSection,
): Promise<readonly string[]> {
  const { inner } = cluster.store;
  if (sectionOf(config).type !== "file")
    throw inStore("wrap the sealing keys", "the configuration says that they are wrapped");
  const service = kmsOf(kms);
  const wrapped: WrappedKey[] = [];
  for (const plain of sealingKeysIn(fileOf(config, pathOf(config)))) {
    wrapped.push(await wrapKey(service, cluster.name, plain));
    plain.fill(0);
  }
  // What cannot be unwrapped would be found out by the next start.
  await unwrapKeyRing(service, cluster.name, wrapped);
  const order = [...wrapped].sort((one, other) => ring.ids.indexOf(one.id) - ring.ids.indexOf(other.id));
  const puts = order.map((key, at) => {
    const value = { ...key } as StoredValue;
    return { op: "put", kind: SEALING_KEY, name: ordinal(at + 1), value } as const;
  });
  const names = new Set(puts.map(({ name }) => name));
  // Keys that were wrapped once before are followed by nobody while they are in a file.
  const before = (await inner.list(SEALING_KEY)).filter(({ name }) => !names.has(name));
  await inner.write([
    ...puts,
    ...before.map(({ kind, name, revision }) => ({ op: "delete", kind, name, revision }) as const),
  ]);
  return order.map(({ id }) => id);
}

/** Unwraps the keys of the store and makes the key file of them. @returns the path of the file */
export async function unwrapToFile(config: Config, { cluster, ring }: OpenCluster): Promise<string> {
  const section = sectionOf(config);
  if (section.type !== "kms")
    throw inStore("unwrap the sealing keys", "the configuration says that they are in a file");
  const place = pathOf(config);
  const stored = (await storedKeys(cluster.store.inner)).map(({ key }) => key);
  // The first of a file is the one that seals.
  stored.sort((one, other) => ring.ids.indexOf(one.id) - ring.ids.indexOf(other.id));
  const plain = await unwrapKeys(kmsOf(section), cluster.name, stored);
  writeSealingKeys(fileOf(config, place), plain);
  for (const bytes of plain) bytes.fill(0);
  return place;
}

/** The ring that a backup needs, given the wrapped keys in it. @throws PosternError `sealing_key_…` */
export async function ringOfBackup(config: Config, wrapped: readonly StoredValue[]): Promise<KeyRing> {
  const section = sectionOf(config);
  if (section.type === "file") return keyRingFromFile(fileOf(config, section.path), { make: false });
  if (wrapped.length === 0) throw new PosternError("sealing_key_lost", "its keys were in a file");
  return unwrapKeyRing(kmsOf(section), clusterOf(config), wrapped.map(parseWrappedKey));
}

/** Keys in the key file of this machine. */
class KeysInFile implements KeyPlace {
  readonly type = "file";
  /** Who misses a key reads the file anew at once. */
  readonly spread = 0;
  readonly #file: SealingKeyFile;
  readonly #store: Store;

  constructor(file: SealingKeyFile, store: Store) {
    this.#file = file;
    this.#store = store;
  }

  async read(): Promise<KeyRing> {
    return keyRingFromFile(this.#file, { make: false });
  }

  async add(): Promise<string> {
    return addSealingKey(this.#file).ids[0] ?? "";
  }

  async drop(id: string): Promise<void> {
    dropSealingKey(this.#file, id);
    // Of the same keys when they were wrapped: nobody reads them any more.
    for (const { key, resource } of await storedKeys(this.#store)) {
      const { kind, name, revision } = resource;
      if (key.id === id) await this.#store.write([{ op: "delete", kind, name, revision }]);
    }
  }
}

/** Keys in the store, wrapped. */
class KeysInStore implements KeyPlace {
  readonly type = "kms";
  readonly spread = SPREAD_MS;
  readonly #store: Store;
  readonly #kms: KeyService;
  readonly #cluster: string;

  constructor(store: Store, kms: KeyService, cluster: string) {
    this.#store = store;
    this.#kms = kms;
    this.#cluster = cluster;
  }

  /** Of several nodes that make a cluster at once, the first one's key counts. */
  async makeFirst(): Promise<void> {
    if ((await this.#store.list(SEALING_KEY)).length > 0) return;
    const value = { ...(await newWrappedKey(this.#kms, this.#cluster)) };
    await this.#create(1, value).catch((thrown: unknown) => {
      if (!isRace(thrown)) throw thrown;
    });
  }

  async read(): Promise<KeyRing> {
    const stored = await storedKeys(this.#store);
    if (stored.length === 0) {
      throw new PosternError("sealing_key_lost", "Cannot open the store: it holds no wrapped sealing key", {
        hint: "while auth_service.sealing still says type: file, run postern ctl sealing wrap",
      });
    }
    return unwrapKeyRing(
      this.#kms,
      this.#cluster,
      stored.map(({ key }) => key),
    );
  }

  async add(): Promise<string> {
    const key = await newWrappedKey(this.#kms, this.#cluster);
    const last = (await storedKeys(this.#store)).at(-1);
    await this.#create(Number(last?.resource.name ?? 0) + 1, { ...key });
    return key.id;
  }

  async drop(id: string): Promise<void> {
    for (const { key, resource } of await storedKeys(this.#store)) {
      const { kind, name, revision } = resource;
      if (key.id === id) await this.#store.write([{ op: "delete", kind, name, revision }]);
    }
  }

  async #create(number: number, value: StoredValue): Promise<void> {
    await this.#store.write([{ op: "create", kind: SEALING_KEY, name: ordinal(number), value }]);
  }
}

async function storedKeys(
  store: Store,
): Promise<readonly { readonly key: WrappedKey; readonly resource: StoredResource }[]> {
  return (await store.list(SEALING_KEY)).map((resource) => ({ key: parseWrappedKey(resource.value), resource }));
}

function ordinal(number: number): string {
  return String(number).padStart(6, "0");
}

function kmsOf({ key_id: keyId, region, endpoint }: KmsSection): KeyService {
  return new SdkKms({ keyId, region, endpoint });
}

function fileOf(config: Config, path: string): SealingKeyFile {
  return { directory: config.postern.data_dir, path };
}

function sectionOf(config: Config): SealingSection {
  return config.auth_service?.sealing ?? { type: "file", path: pathOf(config) };
}

function pathOf(config: Config): string {
  const section = config.auth_service?.sealing;
  return section?.type === "file" ? section.path : `${config.postern.data_dir}/sealing.key`;
}

function clusterOf(config: Config): string {
  return config.auth_service?.cluster_name ?? config.postern.nodename;
}

function inStore(attempt: string, reason: string): PosternError {
  return new PosternError("sealing_key_in_use", `Cannot ${attempt}: ${reason}`, {
    hint: "look at auth_service.sealing in the configuration and at postern ctl sealing status",
  });
}
