/** Who may do what to the cluster's resources: asks our own Rego, and denies whatever it does not clearly allow. */

import { messageOf, PosternError } from "../base/errors.ts";
import type { ResourceRule } from "../identity/role.ts";
import type { PolicyBundle } from "../policy/bundle.ts";
import { Engine } from "../policy/engine.ts";

/** What can be done to a resource. */
export type Verb = "list" | "read" | "create" | "update" | "delete";

/** Who does it, with the roles and traits of this instant: whoever asks in somebody's name looks them up. */
export interface Actor extends JudgedActor {
  /** Where they ask from; absent: on the cluster's own machine. It is on record, and policy is not told. */
  readonly address?: string;
}

/** As much of who does it as policy judges by. */
export interface JudgedActor {
  readonly name: string;
  readonly roles: readonly string[];
  readonly traits: Readonly<Record<string, readonly string[]>>;
  /** `local`: whoever runs commands on the cluster's own machine, as the user that owns its store. */
  readonly kind: "user" | "local";
}

/** What is asked; policies/schemas/control.json. */
export interface ControlInput {
  readonly version: 1;
  /** RFC 3339. */
  readonly time: string;
  readonly actor: JudgedActor;
  readonly verb: Verb;
  /** A name of null: all of the kind. */
  readonly resource: { readonly kind: string; readonly name: string | null };
  /** The documents as they are and as they would be; null where there is none. */
  readonly change: { readonly before: unknown; readonly after: unknown };
  /** The rules of the actor's roles, without the built-in ones. */
  readonly roles: Readonly<
    Record<string, { readonly allow: readonly ResourceRule[]; readonly deny: readonly ResourceRule[] }>
  >;
  /** How many users can administer, before and after. */
  readonly editors: { readonly before: number; readonly after: number };
  /** Whether the actor's own roles reach, by its labels, the database that the documents are of; false for other kinds. */
  readonly reach: { readonly before: boolean; readonly after: boolean };
}

/** Every reason code, with what it means. The first six are said by the Rego. */
export const CONTROL_REASONS = {
  control_undefined: "policy could not read the request",
  role_unknown: "the actor holds a role that is not defined, so its denials cannot be known",
  rule_denied: "a role of the actor denies it",
  last_editor: "nobody could administer the cluster any more",
  more_than_own: "the actor would give, or give themselves, more than they have",
  not_granted: "no role of the actor grants it",
  locked: "the actor is locked",
  control_failed: "policy gave no answer, or one of the wrong shape",
} as const;

export type ControlReasonCode = keyof typeof CONTROL_REASONS;

/** What was decided. A denial has at least one reason. */
export type ControlDecision =
  | { readonly allow: true }
  | { readonly allow: false; readonly reasons: readonly { code: ControlReasonCode; message: string }[] };

export type Denial = Extract<ControlDecision, { allow: false }>;

/** Policy said no. */
export class DeniedError extends PosternError {
  readonly reasons: Denial["reasons"];

  constructor(attempt: string, { reasons }: Denial) {
    super("control_denied", `Cannot ${attempt}: ${reasons.map(({ message }) => message).join("; ")}`);
    this.reasons = reasons;
  }
}

/** The policy of administration, loaded. */
export class Authorizer {
  readonly #engine: Engine;
  readonly #entrypoint: number;

  /** @throws PosternError what is wrong with the bundle, or `control_policy_invalid` when it allows what nobody asked */
  static async load(bundle: PolicyBundle): Promise<Authorizer> {
    const engine = await Engine.load({ wasm: bundle.wasm, data: bundle.data, fuel: FUEL });
    const entrypoint = engine.entrypoint(ENTRYPOINT);
    if (entrypoint === undefined) throw unusable(`it has no entrypoint "${ENTRYPOINT}"`);
    const authorizer = new Authorizer(engine, entrypoint);
    const answer = authorizer.#ask({});
    if (answer.allow || answer.reasons[0]?.code !== "control_undefined")
      throw unusable("it does not refuse an empty question");
    return authorizer;
  }

  /** Use `load`. */
  constructor(engine: Engine, entrypoint: number) {
    this.#engine = engine;
    this.#entrypoint = entrypoint;
  }

  /** Decides. Never throws: whatever goes wrong is a denial `control_failed`. */
  decide(input: ControlInput): ControlDecision {
    return this.#ask(input);
  }

  #ask(input: object): ControlDecision {
    try {
      const decision = decisionIn(this.#engine.evaluate(input, this.#entrypoint));
      return decision ?? failed("it answered in the wrong shape");
    } catch (thrown) {
      return failed(messageOf(thrown));
    }
  }
}

const ENTRYPOINT = "postern/control/decision";

/** As for a decision of the gateway. */
const FUEL = 500_000_000n;

function failed(reason: string): ControlDecision {
  return { allow: false, reasons: [{ code: "control_failed", message: `policy gave no decision: ${reason}` }] };
}

/** The one shape that a decision may have; undefined for anything else. */
function decisionIn(resultSet: unknown): ControlDecision | undefined {
  if (!Array.isArray(resultSet) || resultSet.length !== 1) return undefined;
  const result = (resultSet[0] as { result?: unknown } | null)?.result;
  if (typeof result !== "object" || result === null) return undefined;
  const { allow, reasons, ...rest } = result as { allow?: unknown; reasons?: unknown };
  if (typeof allow !== "boolean" || !Array.isArray(reasons) || Object.keys(rest).length > 0) return undefined;
  if (allow) return reasons.length === 0 ? { allow } : undefined;
  return reasons.length > 0 && reasons.every(isReason) ? { allow, reasons } : undefined;
}

function isReason(value: unknown): value is { code: ControlReasonCode; message: string } {
  const { code, message } = Object(value) as { code?: unknown; message?: unknown };
  return typeof code === "string" && Object.hasOwn(CONTROL_REASONS, code) && typeof message === "string";
}

function unusable(reason: string): PosternError {
  return new PosternError("control_policy_invalid", `Cannot load the policy of administration: ${reason}`, {
    hint: "node scripts/setup.mjs, or install Postern again",
  });
}
