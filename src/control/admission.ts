/** Letting somebody in who has proved who they are: locks and roles of this instant, and a certificate that does not last long. */

import { PosternError } from "../base/errors.ts";
import type { Issued } from "../identity/authority-keys.ts";
import { lockMessage } from "../identity/lock.ts";
import type { Principal } from "../identity/principal.ts";
import {
  certifyUser,
  type Entitled,
  entitledNow,
  type NotEntitled,
  type Proven,
  type UserCertificatesOptions,
} from "./user-certificates.ts";

export type AdmissionOptions = UserCertificatesOptions;

/** Somebody who has proved who they are, and what for. */
export interface Entrant extends Proven {
  /** Whether a second factor was shown. */
  readonly mfaVerified: boolean;
  /** PEM of the key that the certificate is for. */
  readonly publicKey: string;
  /** Whether what was proved holds still; asked when the certificate is made, and before it is given. */
  readonly stillProven?: () => Promise<boolean>;
}

/** Somebody who is in. */
export interface Login {
  readonly principal: Principal;
  readonly certificate: Issued;
}

/**
 * Issues a certificate, on record, to a user as the cluster knows it now.
 *
 * @throws PosternError `login_locked` for who is locked, `login_refused` for who is not defined, `public_key_invalid`
 */
export async function admit(options: AdmissionOptions, entrant: Entrant): Promise<Login> {
  const { mfaVerified, publicKey, stillProven } = entrant;
  const entitled = requireEntitled(await entitledNow(options, entrant));
  const principal = { ...entitled.user, mfaVerified };
  const confirm = async (): Promise<void> => {
    // Who was so before must not have it.
    if ((await stillProven?.()) === false) throw new RefusedError("the user was removed or reset meanwhile");
  };
  const certificate = await certifyUser(options, { ...entitled, user: principal }, { publicKey, confirm });
  return { principal, certificate };
}

/** @throws PosternError `login_locked`, `login_refused` */
function requireEntitled(found: Entitled | NotEntitled): Entitled {
  if (!("refused" in found)) return found;
  switch (found.refused) {
    case "locked":
      throw new PosternError("login_locked", `Cannot log in: the user is locked${lockMessage(found.lock)}`);
    case "undefined":
      throw new RefusedError("the user has proved who they are, but is not defined");
    case "foreign":
      throw new RefusedError("the user logs in another way");
  }
}

/** One text for all that a stranger could try out; why is for the log. */
export class RefusedError extends PosternError {
  readonly why: string;

  constructor(why: string) {
    super("login_refused", "Cannot log in: user name, password or code is not right, or there were too many failures", {
      hint: "try again in a while, or ask an administrator: postern ctl users reset NAME",
    });
    this.why = why;
  }
}
