/** Templates in roles: `{{internal.x}}`, `{{external.x}}` and `{{user.name}}`, taken apart when a role is loaded. */

/** A text around one template. */
export interface Template {
  /** The trait whose values are put in, or null for the user's name. */
  readonly trait: string | null;
  readonly before: string;
  readonly after: string;
}

/** Why a text is no template, for the error's sentence. */
export interface TemplateFault {
  readonly fault: string;
  readonly hint: string;
}

/** The traits that Teleport's roles may call `internal`. */
export const INTERNAL_TRAITS: readonly string[] = [
  "logins",
  "windows_logins",
  "kubernetes_groups",
  "kubernetes_users",
  "db_names",
  "db_users",
  "db_roles",
  "aws_role_arns",
  "azure_identities",
  "gcp_service_accounts",
  "jwt",
  "github_orgs",
];

/** Takes a text apart: null when it holds no template, a fault when it holds something that only looks like one. */
export function parseTemplate(text: string): Template | TemplateFault | null {
  if (!text.includes("{{") && !text.includes("}}")) return null;
  const found = /^(.*?)\{\{(.*?)\}\}(.*)$/su.exec(text);
  const [, before = "", inner = "", after = ""] = found ?? [];
  if (found === null || isUnbalanced(before) || isUnbalanced(inner)) {
    return { fault: "its braces do not close", hint: FORMS };
  }
  if (isUnbalanced(after)) return { fault: "it holds more than one template", hint: "one template an entry" };
  const trait = traitOf(inner.trim());
  return typeof trait === "object" && trait !== null ? trait : { trait, before, after };
}

const FORMS = 'templates are {{internal.x}}, {{external.x}}, {{external["x"]}} and {{user.name}}';

function isUnbalanced(text: string): boolean {
  return text.includes("{{") || text.includes("}}");
}

function traitOf(expression: string): string | null | TemplateFault {
  if (expression === "user.name") return null;
  const parts = /^(internal|external)(?:\.([A-Za-z_][\w-]*)|\["([^"]+)"\])$/u.exec(expression);
  if (parts === null) return { fault: `"${expression}" is not a known template`, hint: FORMS };
  const name = parts[2] ?? parts[3] ?? "";
  if (parts[1] === "internal" && !INTERNAL_TRAITS.includes(name)) {
    return {
      fault: `"${name}" is not an internal trait`,
      hint: `write {{external.${name}}}, or one of the internal traits ${INTERNAL_TRAITS.join(", ")}`,
    };
  }
  return name;
}
