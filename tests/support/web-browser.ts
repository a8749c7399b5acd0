/** A browser without scripts: pages, forms, redirects and cookies by host, as far as logins need them. */

import { Buffer } from "node:buffer";
import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";

export interface Shown {
  readonly status: number;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export class WebBrowser {
  /** By host name and port; what is set to nothing is gone. */
  readonly cookies = new Map<string, Map<string, string>>();
  readonly #ca: string;

  /** @param ca PEM of the authority to believe */
  constructor(ca: string) {
    this.#ca = ca;
  }

  /** Opens an address and goes wherever it is sent, up to a place that `until` knows, which is not asked. */
  async open(address: string | URL, until: (url: URL) => boolean = isCallback): Promise<Shown> {
    return this.#follow(await this.step("GET", new URL(address)), until);
  }

  /** Sends the only form of a page, with its hidden fields and what a person fills in. */
  async submit(page: Shown, filled: Readonly<Record<string, string>> = {}, until = isCallback): Promise<Shown> {
    const action = /<form[^>]*\saction="([^"]*)"/.exec(page.text)?.[1] ?? "";
    const fields = new URLSearchParams();
    for (const [input] of page.text.matchAll(/<input[^>]*>/g)) {
      const name = /\sname="([^"]*)"/.exec(input)?.[1];
      if (name !== undefined) fields.set(name, /\svalue="([^"]*)"/.exec(input)?.[1] ?? "");
    }
    for (const [name, value] of Object.entries(filled)) fields.set(name, value);
    const target = new URL(action.replaceAll("&amp;", "&"), page.url);
    return this.#follow(await this.step("POST", target, fields.toString(), page.url.origin), until);
  }

  async #follow(first: Shown, until: (url: URL) => boolean): Promise<Shown> {
    let shown = first;
    for (let hop = 0; hop < 20; hop++) {
      const { location } = shown.headers;
      if (typeof location !== "string" || shown.status < 300 || shown.status > 399) return shown;
      const next = new URL(location, shown.url);
      if (until(next)) return { status: 0, url: next, headers: {}, text: "" };
      shown = await this.step("GET", next);
    }
    throw new Error(`There were too many redirects, the last one to ${shown.url.href}`);
  }

  /** One request, and what it answers. */
  step(method: string, url: URL, body?: string, from?: string): Promise<Shown> {
    const jar = this.cookies.get(url.host) ?? new Map<string, string>();
    this.cookies.set(url.host, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const form = { "content-type": "application/x-www-form-urlencoded", "content-length": `${body?.length ?? 0}` };
    const headers = {
      host: url.host,
      "sec-fetch-site": from === undefined ? "cross-site" : from === url.origin ? "same-origin" : "cross-site",
      ...(from === undefined ? {} : { origin: from }),
      ...(cookie === "" ? {} : { cookie }),
      ...(body === undefined ? {} : form),
    };
    const where = { host: "127.0.0.1", port: url.port, path: url.pathname + url.search, method, headers, agent: false };
    return new Promise((resolve, reject) => {
      const make = (): ReturnType<typeof plainRequest> =>
        url.protocol === "https:"
          ? tlsRequest({ ...where, ca: this.#ca, servername: url.hostname })
          : plainRequest({ ...where, agent: false });
      const outgoing = make();
      outgoing.on("error", reject);
      outgoing.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          for (const line of response.headers["set-cookie"] ?? []) keep(jar, line);
          resolve({
            status: response.statusCode ?? 0,
            url,
            headers: response.headers,
            text: Buffer.concat(chunks).toString(),
          });
        });
      });
      outgoing.end(body);
    });
  }
}

/** Where a command line waits. */
export function isCallback(url: URL): boolean {
  return url.hostname === "127.0.0.1" && url.pathname === "/callback";
}

function keep(jar: Map<string, string>, line: string): void {
  const [pair = ""] = line.split(";");
  const at = pair.indexOf("=");
  const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
  if (value === "" || /max-age=0|expires=thu, 01 jan 1970/i.test(line)) jar.delete(name);
  else jar.set(name, value);
}
