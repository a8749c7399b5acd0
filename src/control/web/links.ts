/** `/web/invite/…` and `/web/reset/…`: a user sets a password, and what the cluster asks for beside it. */

import { PosternError } from "../../base/errors.ts";
import { Secret } from "../../base/secret.ts";
import type { InviteKind } from "../../identity/invites.ts";
import type { GivenLink, OpenedLink } from "../links.ts";
import { readForm } from "./forms.ts";
import { LINK_TITLES, linkDone, type LinkFaults, linkForm, linkRefused } from "./link-pages.ts";
import { pageAnswer } from "./page.ts";
import type { AddPage, PageContext, WebOptions } from "./routes.ts";

/** Adds the pages. */
export function addLinkPages(addPage: AddPage, options: WebOptions): void {
  for (const kind of ["invite", "reset"] as const) {
    const given = (context: PageContext, address: string): GivenLink => {
      return { token: new Secret(context.req.param("token") ?? ""), kind, address };
    };
    addPage(`/web/${kind}/:token`, {
      GET: (context, { address }) => shown(options, given(context, address), {}),
      POST: (context, { address }) => used(options, given(context, address), context.req.raw),
    });
  }
}

async function shown(options: WebOptions, given: GivenLink, faults: LinkFaults): Promise<Response> {
  const { cluster, links } = options;
  let link: OpenedLink;
  try {
    link = await links.open(given);
  } catch (thrown) {
    return await refused(options, thrown);
  }
  const isFaulty = Object.keys(faults).length > 0;
  return pageAnswer({
    status: isFaulty ? 422 : 200,
    title: LINK_TITLES[given.kind],
    isFaulty,
    cluster: cluster.name,
    content: linkForm(link, given.kind, faults),
    script: link.passkey !== undefined,
  });
}

async function used(options: WebOptions, given: GivenLink, request: Request): Promise<Response> {
  const { cluster, links, origin, proxy } = options;
  const form = await readForm(request, ["password", "password_again", "code", "passkey"], origin);
  if (form.password !== form.password_again) return await shown(options, given, { again: "The two passwords differ." });
  try {
    const { code, passkey } = form;
    const user = await links.use({ ...given, password: new Secret(form.password), code, passkey });
    const content = linkDone(user, proxy, await cluster.pins());
    return await pageAnswer({ status: 200, title: DONE[given.kind], cluster: cluster.name, content });
  } catch (thrown) {
    const faults = faultsOf(thrown);
    return faults === undefined ? await refused(options, thrown) : await shown(options, given, faults);
  }
}

const DONE: Readonly<Record<InviteKind, string>> = { invite: "You are set up", reset: "Your new password is set" };

/** What the user can mend at once, beside its field; undefined for all else. */
function faultsOf(thrown: unknown): LinkFaults | undefined {
  if (!(thrown instanceof PosternError)) return undefined;
  switch (thrown.code) {
    case "password_invalid":
      return { password: sentence(thrown.message) };
    case "code_invalid":
      return { code: "This code is not right. Wait for the next one, and see that the clock of your phone is right." };
    case "passkey_invalid":
      return { passkey: "The passkey was not made, or this page stood open too long. Try again." };
    default:
      return undefined;
  }
}

/** @throws what is not about links */
async function refused({ cluster }: WebOptions, thrown: unknown): Promise<Response> {
  const isLink = thrown instanceof PosternError && thrown.code.startsWith("invite_");
  if (!isLink) throw thrown;
  return pageAnswer({
    status: 404,
    title: "This link does not work",
    cluster: cluster.name,
    content: linkRefused(),
  });
}

/** The reason of a message, as a sentence of its own. */
function sentence(message: string): string {
  const reason = message.replace(/^[^:]*: /, "");
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`;
}
