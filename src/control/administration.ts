/** Administration: acts on the cluster's resources, each decided by policy, done whole or not at all, and recorded. */

import type { AuditEvent } from "../audit/event.ts";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { BUILT_IN_ROLES } from "../identity/built-in-roles.ts";
import type { Directory } from "../identity/directory.ts";
import { quoted } from "../identity/names.ts";
import { isRace } from "../store/store-errors.ts";
import type { Store, StoredResource, StoredValue } from "../store/store.ts";
import { requireAudit } from "./audit-health.ts";
import { type Actor, type Authorizer, type ControlDecision, DeniedError, type Denial, type Verb } from "./authorize.ts";
import { DocumentsError, placed, type GivenDocument, readDocuments, type PlacedProblem } from "./documents.ts";
import { byWhom, recordChanges } from "./events.ts";
import { called, kindNamed, type Kind } from "./kinds.ts";
import { REACHED, type Reach, reachBy, UNREACHED } from "./reach.ts";
import { afterwards, requireUnused } from "./references.ts";
import { recordingRefusals, whatIsIn } from "./refusals.ts";
import { builtInRole, type ShownResource } from "./shown.ts";
import { actorNow, editorsIn, isBuiltIn, lockOn, type PlannedChange, rulesOf, World } from "./world.ts";
import { type Beside, readSerial, writesOf } from "./writes.ts";

/** Where events go. */
export interface EventSink {
  readonly healthy: boolean;
  record(event: AuditEvent): Promise<void>;
}

export interface AdministrationOptions {
  readonly store: Store;
  readonly authorizer: Authorizer;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly kinds: ReadonlyMap<string, Kind>;
  /** Where acts are asked for, as events name it. */
  readonly service: string;
}

/** What became of one resource. */
export interface Outcome {
  readonly kind: string;
  /** What people call the kind. */
  readonly noun: string;
  /** A secret's end only. */
  readonly name: string;
  readonly done: "created" | "updated" | "deleted";
}

/** What an act is judged by besides who does what. */
interface Facts {
  readonly change: { readonly before: unknown; readonly after: unknown };
  readonly editors: { readonly before: number; readonly after: number };
  readonly directory: Directory;
  readonly reach?: Reach;
}

/** How an act comes to its changes. */
interface Act {
  /** By kind and name, where somebody wrote a document. */
  readonly givenOf: ReadonlyMap<string, GivenDocument>;
  readonly plan: () => Promise<readonly PlannedChange[]>;
  readonly beside?: Beside | undefined;
}

/** The store takes 50 writes, of which one is the serial's, and half of the others may be about what belongs to these. */
const MAX_CHANGES = 24;
const MAX_ATTEMPTS = 10;

/** Acts of administration over one store. */
export class Administration {
  readonly #options: AdministrationOptions;

  constructor(options: AdministrationOptions) {
    this.#options = options;
  }

  /** Where acts are asked for, as events name it. */
  get service(): string {
    return this.#options.service;
  }

  /**
   * Whether there is anything that the actor could change, of a kind or at all: asked before work is done on what they send.
   *
   * @throws DeniedError
   */
  async requireMayChange(actor: Actor, kind?: string): Promise<void> {
    const { store, clock, kinds } = this.#options;
    const { directory } = await World.around(actor.name, actor.roles, store, clock);
    const facts = { editors: { before: 0, after: 0 }, directory, reach: REACHED };
    const some = { spec: {} };
    const asked = (kind === undefined ? [...kinds.keys()] : [kind]).flatMap((one) => [
      this.#decide(actor, "create", one, null, { ...facts, change: { before: null, after: some } }),
      this.#decide(actor, "update", one, null, { ...facts, change: { before: some, after: some } }),
    ]);
    const [first] = asked;
    if (first === undefined || first.allow || asked.some(({ allow }) => allow)) return;
    await this.#deny(actor, { verb: "create", kind: kind ?? "", name: "" }, "change anything", first);
  }

  /**
   * Puts documents into the store, all or none, with what is written `beside` them. What is there already is an error, with
   * `force` it is replaced.
   *
   * @throws DocumentsError, DeniedError, PosternError `resource_exists`, `resources_too_many`
   */
  create(
    actor: Actor,
    given: readonly GivenDocument[],
    options: { readonly force: boolean; readonly beside?: Beside },
  ): Promise<{ outcomes: readonly Outcome[]; warnings: readonly PlacedProblem[] }> {
    const act = { verb: "create", ...whatIsIn(given) } as const;
    return recordingRefusals(this.#options, actor, act, () => this.#create(actor, given, options));
  }

  async #create(
    actor: Actor,
    given: readonly GivenDocument[],
    { force, beside }: { readonly force: boolean; readonly beside?: Beside },
  ): Promise<{ outcomes: readonly Outcome[]; warnings: readonly PlacedProblem[] }> {
    // Each is judged at some length: so many that they cannot be stored are not even looked at.
    if (given.length > MAX_CHANGES)
      throw new PosternError("resources_too_many", `Cannot change more than ${MAX_CHANGES} resources at once`, {
        hint: `hand in at most ${MAX_CHANGES} documents at a time`,
      });
    const { documents, warnings } = await readDocuments(given, this.#options.kinds);
    if (documents.length === 0)
      throw new PosternError("resources_missing", "Cannot create anything: no document is there");
    const givenOf = new Map(documents.map(({ kind, name, given: one }) => [`${kind.kind}/${name}`, one]));
    const asked = new Set(documents.map(({ kind }) => kind.kind));
    const plan = (): Promise<PlannedChange[]> =>
      Promise.all(
        documents.map(async ({ kind, name, value, expiresAt }): Promise<PlannedChange> => {
          const before = await this.#options.store.get(kind.kind, name);
          if (before !== undefined && !force)
            throw new PosternError("resource_exists", `${called(kind, name)} already exists`, {
              hint: "use -f to replace it",
            });
          const verb = before === undefined ? "create" : "update";
          const expiry = expiresAt === undefined ? {} : { expiresAt };
          return { verb, kind: kind.kind, name, before, after: value, ...expiry };
        }),
      );
    const outcomes = await this.#act(actor, asked, { givenOf, plan, beside });
    return { outcomes, warnings };
  }

  /** All resources of a kind, by name. @throws DeniedError */
  async list(actor: Actor, kindName: string): Promise<readonly ShownResource[]> {
    const { kind } = kindNamed(this.#options.kinds, kindName);
    await this.#mayRead(actor, ["list", "read"], kind, null);
    const found: ShownResource[] = await this.#options.store.list(kind);
    return kind === "role" ? [...BUILT_IN_ROLES.map(({ name }) => builtInRole(name)), ...found] : found;
  }

  /** One resource. @throws DeniedError, PosternError `resource_missing` */
  async get(actor: Actor, kindName: string, name: string): Promise<ShownResource> {
    const kind = kindNamed(this.#options.kinds, kindName);
    await this.#mayRead(actor, ["read"], kind.kind, name);
    const found = await this.#options.store.get(kind.kind, name);
    if (found !== undefined) return found;
    if (kind.kind === "role" && isBuiltIn(name)) return builtInRole(name);
    throw missing(kind, name);
  }

  /** Replaces a resource that is as it was read. @throws PosternError `resource_changed` when somebody was faster */
  replace(actor: Actor, kind: string, name: string, revision: string, given: GivenDocument): Promise<Outcome> {
    const act = { verb: "update", kind, name } as const;
    return recordingRefusals(this.#options, actor, act, () => this.#replace(actor, kind, name, revision, given));
  }

  async #replace(
    actor: Actor,
    kindName: string,
    name: string,
    revision: string,
    given: GivenDocument,
  ): Promise<Outcome> {
    const { documents } = await readDocuments([given], this.#options.kinds);
    const [document] = documents;
    const kind = kindNamed(this.#options.kinds, kindName);
    if (document === undefined || document.kind !== kind || document.name !== name) {
      const problem = {
        path: ["metadata", "name"],
        message: `The document is not ${called(kind, name)} any more`,
        hint: "leave kind and metadata.name as they are; ctl create makes another one",
      };
      throw new DocumentsError("Cannot use the document", [placed(problem, given)]);
    }
    return await this.#change(actor, kindName, name, () => document.value, { revision, given });
  }

  /**
   * Changes the document of a resource, with what is written `beside` it.
   *
   * @throws PosternError `resource_missing`, `resource_changed`
   */
  change(
    actor: Actor,
    kind: string,
    name: string,
    edit: (document: StoredValue) => StoredValue,
    beside?: Beside,
  ): Promise<Outcome> {
    const act = { verb: "update", kind, name } as const;
    return recordingRefusals(this.#options, actor, act, () => this.#change(actor, kind, name, edit, { beside }));
  }

  async #change(
    actor: Actor,
    kindName: string,
    name: string,
    edit: (document: StoredValue) => StoredValue,
    {
      revision,
      given,
      beside,
    }: { readonly revision?: string; readonly given?: GivenDocument; readonly beside?: Beside | undefined },
  ): Promise<Outcome> {
    const kind = kindNamed(this.#options.kinds, kindName);
    const givenOf = new Map(given === undefined ? [] : [[`${kind.kind}/${name}`, given]]);
    const plan = async (): Promise<PlannedChange[]> => {
      const before = await this.#present(kind, name, "update");
      if (revision !== undefined && before.revision !== revision) {
        throw new PosternError(
          "resource_changed",
          `Cannot update ${called(kind, name)}: somebody else changed it meanwhile`,
          { hint: "read it again and repeat the change" },
        );
      }
      const after = edit(before.value);
      const { expiresAt } = kind.read(after);
      const expiry = expiresAt === undefined ? {} : { expiresAt };
      return [{ verb: "update", kind: kind.kind, name, before, after, ...expiry }];
    };
    return only(await this.#act(actor, new Set([kind.kind]), { givenOf, plan, beside }));
  }

  /** Removes a resource. @throws PosternError `resource_missing`, `role_in_use` */
  remove(actor: Actor, kind: string, name: string): Promise<Outcome> {
    const act = { verb: "delete", kind, name } as const;
    return recordingRefusals(this.#options, actor, act, () => this.#remove(actor, kind, name));
  }

  async #remove(actor: Actor, kindName: string, name: string): Promise<Outcome> {
    const kind = kindNamed(this.#options.kinds, kindName);
    const plan = async (): Promise<PlannedChange[]> => {
      const before = await this.#present(kind, name, "delete");
      return [{ verb: "delete", kind: kind.kind, name, before, after: undefined }];
    };
    return only(await this.#act(actor, new Set([kind.kind]), { givenOf: new Map(), plan }));
  }

  async #present(kind: Kind, name: string, verb: "update" | "delete"): Promise<StoredResource> {
    const found = await this.#options.store.get(kind.kind, name);
    if (found !== undefined) return found;
    if (kind.kind === "role" && isBuiltIn(name))
      throw new PosternError("role_built_in", `Cannot ${verb} role ${quoted(name)}: it is built in`);
    throw missing(kind, name);
  }

  /** Plans on what is there, judges, and writes if nothing changed meanwhile; else plans again. */
  async #act(asker: Actor, asked: ReadonlySet<string>, { givenOf, plan, beside }: Act): Promise<readonly Outcome[]> {
    const { store, clock, events } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const serial = await readSerial(store);
      const world = await World.read(store, clock);
      const actor = actorNow(asker, world.directory);
      const changes = await this.#planned(actor, asked, plan);
      await this.#judge(actor, world, changes, givenOf);
      requireAudit(events, "change anything");
      try {
        await store.write(await writesOf(changes, serial, this.#options, beside));
      } catch (thrown) {
        // Whoever was faster changed what this was judged by: all of it is judged anew.
        if (isRace(thrown) && attempt < MAX_ATTEMPTS) continue;
        throw thrown;
      }
      await recordChanges(changes, actor, this.#options);
      return changes.map((change) => this.#outcomeOf(change));
    }
  }

  /** Whether a thing is there is told to those only who may read its kind. */
  async #planned<T>(actor: Actor, asked: ReadonlySet<string>, plan: () => Promise<T>): Promise<T> {
    try {
      return await plan();
    } catch (error) {
      for (const kind of asked) await this.#mayRead(actor, ["read"], kind, null);
      throw error;
    }
  }

  async #judge(
    actor: Actor,
    world: World,
    changes: readonly PlannedChange[],
    givenOf: ReadonlyMap<string, GivenDocument>,
  ): Promise<void> {
    // Policy first: what is wrong with it may say more than somebody may know.
    const after = afterwards(world, changes, givenOf);
    const before = editorsIn(world.directory);
    const editors = { before, after: "fault" in after ? before : editorsIn(after.directory) };
    const { directory } = world;
    const reaching = reachBy(actor, directory);
    for (const { verb, kind, name, before: was, after: value } of changes) {
      const change = { before: was?.value ?? null, after: value ?? null };
      const reach = await reaching(this.#options.kinds.get(kind), change);
      await this.#require(actor, verb, kind, name, { change, editors, directory, reach });
      const giving = kind === "role" && verb !== "update" ? world.connectorGiving(name) : undefined;
      if (giving !== undefined) {
        const same = { change: { before: giving.document, after: giving.document }, editors, directory };
        await this.#require(actor, "update", "oidc", giving.name, same);
      }
      if (kind !== "role" || verb !== "delete") continue;
      const facts = { change: { before: null, after: null }, editors, directory };
      requireUnused(name, directory, this.#decide(actor, "read", "user", null, facts).allow);
    }
    if ("fault" in after) throw after.fault;
  }

  async #mayRead(actor: Actor, verbs: readonly ("list" | "read")[], kind: string, name: string | null): Promise<void> {
    const { store, clock } = this.#options;
    const { directory } = await World.around(actor.name, actor.roles, store, clock);
    const change = { before: null, after: null };
    for (const verb of verbs)
      await this.#require(actor, verb, kind, name, { change, editors: { before: 0, after: 0 }, directory });
  }

  async #require(actor: Actor, verb: Verb, kind: string, name: string | null, facts: Facts): Promise<void> {
    const { kinds } = this.#options;
    const decision = this.#decide(actor, verb, kind, name, facts);
    if (decision.allow) return;
    const known = kinds.get(kind);
    const what = name === null || known === undefined ? `resources of kind ${kind}` : called(known, name);
    const recorded = known?.recorded?.(name ?? "") ?? name ?? "";
    await this.#deny(actor, { verb, kind, name: recorded }, `${verb} ${what}`, decision);
  }

  async #deny(
    actor: Actor,
    act: { readonly verb: Verb; readonly kind: string; readonly name: string },
    attempt: string,
    decision: Denial,
  ): Promise<never> {
    const { events, service } = this.#options;
    const reason = decision.reasons.map(({ code, message }) => `${code}: ${message}`).join("; ");
    const denied = { ...byWhom(actor, service), ...act, reason };
    // The denial stands, whether or not it can be recorded.
    await events.record({ event: "postern.control.denied", code: "PCT01E", ...denied }).catch(() => undefined);
    throw new DeniedError(attempt, decision);
  }

  #decide(actor: Actor, verb: Verb, kind: string, name: string | null, facts: Facts): ControlDecision {
    const { authorizer, clock } = this.#options;
    const { address: _, ...judged } = actor;
    const lock = lockOn(actor, facts.directory, clock.now());
    if (lock !== undefined) {
      const message = `user ${quoted(actor.name)} is locked: ${lock.message ?? `by lock ${quoted(lock.name)}`}`;
      return { allow: false, reasons: [{ code: "locked", message }] };
    }
    return authorizer.decide({
      version: 1,
      time: new Date(clock.now()).toISOString(),
      actor: judged,
      verb,
      resource: { kind, name },
      change: facts.change,
      roles: rulesOf(actor, facts.directory),
      editors: facts.editors,
      reach: facts.reach ?? UNREACHED,
    });
  }

  #outcomeOf({ kind, name, verb }: PlannedChange): Outcome {
    const known = this.#options.kinds.get(kind);
    return { kind, noun: known?.noun ?? kind, name: known?.recorded?.(name) ?? name, done: `${verb}d` };
  }
}

function missing(kind: Kind, name: string): PosternError {
  return new PosternError("resource_missing", `${called(kind, name)} is not found`, {
    hint: `postern ctl get ${kind.kind} lists them`,
  });
}

function only(outcomes: readonly Outcome[]): Outcome {
  const [outcome] = outcomes;
  if (outcome === undefined) throw new PosternError("resource_missing", "Nothing was changed");
  return outcome;
}
