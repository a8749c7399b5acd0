/** What Teleport's documents may say that has no meaning for DynamoDB, and what would be missed if it were passed over. */

import type { Problem } from "./problem.ts";

/** Keys of `spec.allow` and `spec.deny` that grant or deny access to other kinds of resource: read past with a warning. */
export const FOREIGN_CONDITIONS: ReadonlySet<string> = new Set([
  "account_assignments",
  "app_labels",
  "app_labels_expression",
  "aws_role_arns",
  "azure_identities",
  "cluster_labels",
  "cluster_labels_expression",
  "db_roles",
  "db_service_labels",
  "db_service_labels_expression",
  "desktop_groups",
  "gcp_service_accounts",
  "github_permissions",
  "group_labels",
  "group_labels_expression",
  "host_groups",
  "host_sudoers",
  "impersonate",
  "join_sessions",
  "kubernetes_groups",
  "kubernetes_labels",
  "kubernetes_labels_expression",
  "kubernetes_resources",
  "kubernetes_users",
  "logins",
  "mcp",
  "node_labels",
  "node_labels_expression",
  "require_session_join",
  "spiffe",
  "windows_desktop_labels",
  "windows_desktop_labels_expression",
  "windows_desktop_logins",
  "workload_identity_labels",
  "workload_identity_labels_expression",
]);

/** Options of roles that say nothing about DynamoDB: read past with a warning. */
export const FOREIGN_OPTIONS: ReadonlySet<string> = new Set([
  "cert_extensions",
  "cert_format",
  "create_db_user",
  "create_db_user_mode",
  "create_desktop_user",
  "create_host_user",
  "create_host_user_default_shell",
  "create_host_user_mode",
  "desktop_clipboard",
  "desktop_directory_sharing",
  "enhanced_recording",
  "forward_agent",
  "idp",
  "max_kubernetes_connections",
  "max_sessions",
  "permit_x11_forwarding",
  "port_forwarding",
  "record_session",
  "request_access",
  "request_prompt",
  "ssh_file_copy",
  "ssh_port_forwarding",
]);

/** Options that would restrict access to a database, with the values that do not: any other is refused, for ignoring it would grant more than the role says. */
export const RESTRICTING_OPTIONS: Readonly<Record<string, readonly unknown[]>> = {
  client_idle_timeout: ["never", "0s", 0],
  device_trust_mode: ["", "off", "optional"],
  device_trust_verification: [false, "no"],
  disconnect_expired_cert: [false, "no", "off"],
  lock: ["", "best_effort", "strict"],
  max_connections: [0],
  mfa_verification_interval: ["0s", 0],
  pin_source_ip: [false, "no", "off"],
  require_session_mfa: [false, "no", "off", 0],
};

/** Keys of a user's `spec` that only Teleport itself uses. */
export const FOREIGN_USER_KEYS: ReadonlySet<string> = new Set([
  "created_by",
  "github_identities",
  "local_auth",
  "oidc_identities",
  "saml_identities",
  "trusted_device_ids",
]);

/** A copy of a mapping without the given keys, and a warning for each that was there. Anything but a mapping comes back as it is. */
export function withoutForeign(
  value: unknown,
  foreign: ReadonlySet<string>,
  path: readonly string[],
): { readonly value: unknown; readonly warnings: readonly Problem[] } {
  if (!isMapping(value)) return { value, warnings: [] };
  const warnings: Problem[] = [];
  const kept: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (!foreign.has(key)) kept[key] = inner;
    else if (!isNothing(inner)) {
      warnings.push({
        path: [...path, key],
        at: "key",
        message: `${[...path, key].join(".")} has no meaning for DynamoDB and is not used`,
      });
    }
  }
  return { value: kept, warnings };
}

/** True for what YAML makes of `a: b` lines. */
export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Teleport prints what is not set as null, or as an empty list or mapping. */
function isNothing(value: unknown): boolean {
  return value === null || (typeof value === "object" && Object.keys(value).length === 0);
}
