/** Reads what the policy said: the one shape that a decision may have, or a denial that says what was wrong with it. */

import { type Decision, deny, type Obligation, type Reason, type ReasonCode, REASONS } from "./decision.ts";

export interface AnswerContext {
  readonly revision: string;
  readonly evalUs: number;
  /** How many accesses were asked about: a reason's `access` lies below. */
  readonly accesses: number;
  /** Kinds of obligation that this gateway can fulfil. */
  readonly fulfillable: ReadonlySet<string>;
}

/** Reads the texts of answers. An allow that was read before is not read again: the same text says the same. */
export class AnswerReader {
  readonly #fulfillable: ReadonlySet<string>;
  readonly #allows = new Map<string, Allow>();

  /** `fulfillable`: kinds of obligation that the gateway can fulfil. */
  constructor(fulfillable: ReadonlySet<string>) {
    this.#fulfillable = fulfillable;
  }

  /** The decision in a result set, written as JSON, that was just evaluated; see `readAnswer`. Throws SyntaxError. */
  read(text: string, context: Omit<AnswerContext, "fulfillable">): Decision {
    const known = this.#allows.get(text);
    if (known !== undefined) {
      const { obligations, roles } = known;
      return { allow: true, obligations, roles, revision: context.revision, evalUs: context.evalUs };
    }
    const decision = readAnswer(JSON.parse(text), { ...context, fulfillable: this.#fulfillable });
    if (decision.allow && text.length <= KEPT_CHARS) {
      if (this.#allows.size >= KEPT_ALLOWS) this.#allows.clear();
      const { obligations, roles } = decision;
      this.#allows.set(text, { obligations: Object.freeze(obligations), roles: Object.freeze(roles) });
    }
    return decision;
  }
}

type Allow = Pick<Extract<Decision, { allow: true }>, "obligations" | "roles">;

/** Allows differ in the roles that they name, which are few. */
const KEPT_ALLOWS = 256;
const KEPT_CHARS = 1024;

/**
 * Turns a result set into a decision. Only `{allow, reasons, roles, obligations}` of the exact types is one; an allow
 * carries no reasons, a denial at least one. Anything else is a denial `policy_undefined`, an obligation of a kind that
 * is not in `fulfillable` a denial `obligation_unknown`.
 */
export function readAnswer(resultSet: unknown, context: AnswerContext): Decision {
  const value = onlyResult(resultSet);
  if (value === undefined) return deny("policy_undefined", REASONS.policy_undefined, factsOf(context));
  const answer = readShape(value, context.accesses);
  if (answer === undefined)
    return deny("policy_undefined", "policy gave a decision of the wrong shape", factsOf(context));
  if (!answer.allow) {
    const reasons = answer.reasons.sort(byPlace).slice(0, MAX_REASONS);
    return { allow: false, reasons, roles: [], ...factsOf(context) };
  }
  const unknown = answer.obligations.find(({ kind }) => !context.fulfillable.has(kind));
  if (unknown !== undefined) return deny("obligation_unknown", REASONS.obligation_unknown, factsOf(context));
  // Sets leave OPA in hash order.
  const obligations = answer.obligations.length < 2 ? answer.obligations : answer.obligations.toSorted(byText);
  return { allow: true, obligations, roles: answer.roles.sort(), ...factsOf(context) };
}

/** What the policy itself says, if that is a decision at all; reasons may name accesses up to `accesses`. */
export function effectOf(resultSet: unknown, accesses: number): "allow" | "deny" | undefined {
  const answer = readShape(onlyResult(resultSet), accesses);
  if (answer === undefined) return undefined;
  return answer.allow ? "allow" : "deny";
}

/** More reasons than anyone reads; the audit log keeps every one that a decision has. */
const MAX_REASONS = 200;
const MAX_MESSAGE_CHARS = 1024;

interface Answer {
  readonly allow: boolean;
  readonly reasons: Reason[];
  readonly roles: string[];
  readonly obligations: Obligation[];
}

function factsOf({ revision, evalUs }: AnswerContext): { revision: string; evalUs: number } {
  return { revision, evalUs };
}

function onlyResult(resultSet: unknown): unknown {
  if (!Array.isArray(resultSet) || resultSet.length !== 1) return undefined;
  const first: unknown = resultSet[0];
  return isRecord(first) ? first["result"] : undefined;
}

function readShape(value: unknown, accesses: number): Answer | undefined {
  if (!isRecord(value) || Object.keys(value).length !== 4) return undefined;
  const { allow, reasons, roles, obligations } = value;
  if (typeof allow !== "boolean") return undefined;
  if (!Array.isArray(reasons) || !reasons.every((reason) => isReason(reason, accesses))) return undefined;
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === "string")) return undefined;
  if (!Array.isArray(obligations) || !obligations.every(isObligation)) return undefined;
  if (allow ? reasons.length > 0 : reasons.length === 0) return undefined;
  return { allow, reasons: reasons.map(shortened), roles, obligations };
}

function isReason(value: unknown, accesses: number): value is Reason {
  if (!isRecord(value) || Object.keys(value).length !== 4) return false;
  const { code, message, access, role } = value;
  if (typeof code !== "string" || !Object.hasOwn(REASONS, code)) return false;
  if (typeof message !== "string" || (role !== null && typeof role !== "string")) return false;
  return access === null || (Number.isInteger(access) && Number(access) >= 0 && Number(access) < accesses);
}

function isObligation(value: unknown): value is Obligation {
  return isRecord(value) && typeof value["kind"] === "string";
}

function shortened(reason: Reason): Reason {
  return reason.message.length <= MAX_MESSAGE_CHARS
    ? reason
    : { ...reason, message: reason.message.slice(0, MAX_MESSAGE_CHARS) };
}

/** Reasons about the whole request first, then by access, code and role. */
function byPlace(one: Reason, other: Reason): number {
  return (
    (one.access ?? -1) - (other.access ?? -1) ||
    compare<ReasonCode>(one.code, other.code) ||
    compare(one.role ?? "", other.role ?? "") ||
    compare(one.message, other.message)
  );
}

function byText(one: Obligation, other: Obligation): number {
  return compare(JSON.stringify(one), JSON.stringify(other));
}

function compare<T extends string>(one: T, other: T): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
