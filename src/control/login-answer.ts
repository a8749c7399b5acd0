/** What whoever logged in gets, whichever way they came. */

import { trustedCertificates } from "../identity/authority.ts";
import type { Principal } from "../identity/principal.ts";
import type { Login } from "./admission.ts";
import { answer } from "./api-answers.ts";
import type { Cluster } from "./cluster.ts";

/** The certificate, who it is for and until when, and whom to trust. */
export async function loginAnswer(cluster: Cluster, { principal, certificate }: Login): Promise<Response> {
  return answer(200, {
    certificate: certificate.certificate,
    user: shownPrincipal(principal),
    expires: new Date(certificate.expires).toISOString(),
    cluster: cluster.name,
    trusted: trustedCertificates(await cluster.authority("host")),
  });
}

/** A user as the API shows it. */
export function shownPrincipal({ name, roles, traits }: Principal): Pick<Principal, "name" | "roles" | "traits"> {
  return { name, roles, traits };
}
