/** What a service model has that the catalogue does not know, or the other way round. */

import { MEANINGS, VALUES } from "../../src/dynamodb/catalogue/members.ts";
import { OPERATIONS } from "../../src/dynamodb/catalogue.ts";
import type { Model } from "../../src/dynamodb/model-types.ts";

/** A sentence for each difference, sorted; none when everything is annotated. What is new is refused meanwhile. */
export function unannotated(model: Model): string[] {
  const found: string[] = [];
  const targets = new Set(OPERATIONS.map(({ target }) => target));
  for (const target of Object.keys(model.inputs)) {
    if (!targets.has(target)) found.push(`operation ${target} is in no table of the catalogue: it is denied`);
  }
  for (const target of targets) {
    if (model.inputs[target] === undefined) found.push(`operation ${target} is no longer in the model`);
  }
  for (const [name, shape] of Object.entries(model.shapes)) {
    if (shape.t === "structure" && name !== "AttributeValue") {
      const meanings = MEANINGS.get(name);
      for (const member of Object.keys(shape.of)) {
        if (meanings?.has(member) !== true) found.push(`member ${name}.${member} has no meaning: it is refused`);
      }
    }
    for (const value of shape.t === "string" ? (shape.enum ?? []) : []) {
      if (VALUES.get(name)?.includes(value) === false) found.push(`value ${name}=${value} is not known: it is refused`);
    }
  }
  for (const [name, meanings] of MEANINGS) {
    const shape = model.shapes[name];
    if (shape?.t !== "structure") found.push(`structure ${name} is no longer in the model`);
    else
      for (const member of meanings.keys())
        if (shape.of[member] === undefined) found.push(`member ${name}.${member} is no longer in the model`);
  }
  return found.sort();
}
