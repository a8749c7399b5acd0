/**
 * Requests of AWS SDKs that come through a tunnel without a connection of the user's own: believed for their signature, which
 * is verified over the very bytes that were received, with a secret that the proxies do not know.
 */

import type { Duplex } from "node:stream";
import { LRUCache } from "lru-cache";
import type { HostIdentity } from "../agent/host-identity.ts";
import type { Member } from "../agent/membership.ts";
import { claimedSignature, DerivedKey, signatureFault } from "../aws/received-signature.ts";
import { Chunks } from "../base/chunks.ts";
import { PosternError } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import { standingRefusal } from "../gateway/authenticate.ts";
import { MAX_BODY_BYTES } from "../gateway/body.ts";
import type { FixedListener } from "../gateway/listener.ts";
import { serve } from "../gateway/pipeline.ts";
import { type Answer, BodyTooLarge, type Connection, type Departure, type Exchange } from "../gateway/ports.ts";
import type { Refusal } from "../gateway/refusal.ts";
import type { GatewayServices } from "../gateway/services.ts";
import { endSession } from "../gateway/trace.ts";
import { refuseUnproven, type Unproven } from "../gateway/unproven.ts";
import { accessKeyIdOf, readSessionToken } from "../identity/session-credentials.ts";
import type { TunnelledClient } from "../tunnel/agent-session.ts";
import { FrameReader, FrameWriter } from "../tunnel/frames.ts";
import { headMessage, readRequestHead } from "../tunnel/sdk-request.ts";
import type { Admission } from "./admission.ts";
import type { AgentKeys } from "./agent-keys.ts";

export interface SdkRequestsOptions {
  readonly services: GatewayServices;
  readonly membership: Pick<Member, "identity">;
  readonly keys: AgentKeys;
  readonly admission: Pick<Admission, "verified" | "refused">;
  /** Milliseconds in which a request must have come whole. */
  readonly patience?: number;
}

/** What a token was found to be. */
interface OpenedToken {
  readonly key: DerivedKey;
  readonly listener: FixedListener;
  /** The whole of it: what it is known by is a part of its digest. */
  readonly token: string;
  /** By whose authorities the certificate was verified. */
  readonly identity: HostIdentity;
}

const PATIENCE_MS = 60_000;
const MAX_UNDER_WAY = 10_000;
/** Of up to eight kilobytes each. */
const MAX_TOKENS = 2_000;
const MAX_SESSIONS = 10_000;
/** Requests with the same token from the same address are one session of the audit log, until there is none for so long. */
const SESSION_MS = 300_000;

/** Answers those of one agent. */
export class SdkRequests {
  readonly #options: SdkRequestsOptions;
  /** By access key id, which is a digest of the token. */
  readonly #tokens = new LRUCache<string, OpenedToken>({ max: MAX_TOKENS });
  readonly #sessions: LRUCache<string, Connection>;
  readonly #sweep: NodeJS.Timeout;
  #underWay = 0;

  constructor(options: SdkRequestsOptions) {
    this.#options = options;
    this.#sessions = new LRUCache<string, Connection>({
      max: MAX_SESSIONS,
      ttl: SESSION_MS,
      updateAgeOnGet: true,
      dispose: (connection) => endSession(options.services, connection),
    });
    this.#sweep = setInterval(() => this.#sessions.purgeStale(), SESSION_MS / 10);
    this.#sweep.unref();
  }

  /** Answers the request on a stream, and ends it. Never rejects. */
  async answer(stream: Duplex, client: TunnelledClient): Promise<void> {
    const late = setTimeout(() => stream.destroy(), this.#options.patience ?? PATIENCE_MS);
    late.unref();
    this.#underWay++;
    const reader = new FrameReader(stream);
    try {
      const head = readRequestHead(await reader.next());
      if (head === undefined || this.#underWay > MAX_UNDER_WAY) throw new PosternError("request_refused", "No request");
      const received = { headers: head.headers, reader, client, departure: departureOf(stream) };
      const answer = await this.#answerTo(received, () => clearTimeout(late));
      await write(stream, answer);
    } catch {
      // What is not whole must not look whole; why it is not, the gateway has put on record.
      stream.destroy();
    } finally {
      reader.leave();
      clearTimeout(late);
      this.#underWay--;
    }
  }

  /** Ends the sessions that are open. */
  close(): void {
    clearInterval(this.#sweep);
    this.#sessions.clear();
  }

  async #answerTo({ headers, reader, client, departure }: Received, onWhole: () => void): Promise<Answer> {
    const { services } = this.#options;
    const { database, address } = client;
    const exchange = (connection: Connection, bytes: Uint8Array): Exchange => ({
      method: "POST",
      target: "/",
      headers,
      connection,
      departure,
      // Its bytes are in the lease already.
      body: (limit) => (bytes.byteLength > limit ? Promise.reject(new BodyTooLarge()) : Promise.resolve(bytes)),
    });
    const refused = (why: Unproven | Refusal): Promise<Answer> =>
      refuseUnproven(services, database, exchange({ id: newId(), ip: address }, new Uint8Array()), why);
    const claimed = claimedSignature(headers);
    if ("message" in claimed) return await refused(claimed);
    const opened = await this.#open(headers, claimed.accessKeyId, client);
    if ("message" in opened) return await refused(opened);
    const region = services.state().databases.get(database)?.region;
    if (region === undefined)
      return await refused({ type: "ServiceUnavailable", message: "This database is not served here any more" });
    const { key, listener } = opened;
    // Nothing is read, or held, for who would be refused whatever it is.
    const standing = standingRefusal(services, listener);
    if (standing !== undefined) return await refused(standing);
    const lease = services.bodies.lease({ user: listener.user, unproven: true });
    try {
      const bytes = await readWhole(reader, announced(headers), lease);
      onWhole();
      if ("message" in bytes) return await refused(bytes);
      const now = services.clock.now();
      const fault = signatureFault({ headers, body: bytes }, claimed, { key, region, now });
      if (fault !== undefined) return await refused(fault);
      lease.prove();
      // From here on it is who its token says.
      return await serve(services, listener, exchange(this.#sessionOf(claimed.accessKeyId, address), bytes));
    } finally {
      lease.end();
    }
  }

  async #open(
    headers: readonly string[],
    accessKeyId: string,
    { database, address }: TunnelledClient,
  ): Promise<OpenedToken | Unproven> {
    const { membership, keys, admission } = this.#options;
    const { identity } = membership;
    const tokens = headers.filter((_, at) => at % 2 === 1 && headers[at - 1]?.toLowerCase() === "x-amz-security-token");
    const [token = ""] = tokens;
    if (tokens.length !== 1 || identity === undefined) return UNRECOGNIZED;
    // One that was opened is known by its text: it is neither read nor hashed again.
    const known = this.#tokens.get(accessKeyId);
    if (known?.identity === identity && known.token === token)
      return known.listener.database === database ? known : UNRECOGNIZED;
    const read = readSessionToken(token);
    if (read === undefined || accessKeyIdOf(token) !== accessKeyId) return UNRECOGNIZED;
    const secret = keys.open(token, read);
    if (secret === undefined) return UNRECOGNIZED;
    try {
      const { user, route, issued, expires } = await admission.verified(read.certificate);
      if (route === undefined || route.database !== database) return UNRECOGNIZED;
      const { name, roles, traits, mfaVerified } = user;
      const session = { user: name, roles, traits, mfaVerified, issued, expires };
      const listener: FixedListener = {
        address: "sdk",
        kind: "sdk",
        hosts: NO_HOSTS,
        user: name,
        database,
        dbUser: route.db_user,
        session,
      };
      const opened = { key: new DerivedKey(secret), listener, token, identity };
      this.#tokens.set(accessKeyId, opened);
      return opened;
    } catch (thrown) {
      await admission.refused.noteUser(address, undefined, thrown);
      return thrown instanceof PosternError && thrown.code === "certificate_expired" ? EXPIRED : UNRECOGNIZED;
    }
  }

  #sessionOf(accessKeyId: string, address: string): Connection {
    const key = `${accessKeyId} ${address}`;
    const known = this.#sessions.get(key);
    if (known !== undefined) return known;
    const connection: Connection = { id: newId(), ip: address };
    this.#sessions.set(key, connection);
    return connection;
  }
}

interface Received {
  readonly headers: readonly string[];
  readonly reader: FrameReader;
  readonly client: TunnelledClient;
  readonly departure: Departure;
}

/** One word for all that is wrong with a token: which it is, is for nobody to try out. */
export const UNRECOGNIZED: Unproven = {
  type: "UnrecognizedClientException",
  message: "The security token included in the request is invalid",
};
export const EXPIRED: Unproven = {
  type: "ExpiredTokenException",
  message: "The security token included in the request is expired",
};
const NO_HOSTS: ReadonlySet<string> = new Set();

const TOO_LARGE: Unproven = {
  type: "RequestEntityTooLarge",
  message: "The request's body is larger than 16 MiB",
};
const NO_ROOM: Unproven = { type: "ServiceUnavailable", message: "Too many large requests are under way" };

/** How long the body is to be, by its headers; 0 where they do not say. */
function announced(headers: readonly string[]): number {
  const length = headers.find((_, at) => at % 2 === 1 && headers[at - 1]?.toLowerCase() === "content-length") ?? "";
  return /^[0-9]{1,15}$/.test(length) ? Number(length) : 0;
}

async function readWhole(
  reader: FrameReader,
  length: number,
  room: { take(bytes: number): boolean },
): Promise<Uint8Array | Unproven> {
  if (length > MAX_BODY_BYTES) return TOO_LARGE;
  // What is announced is taken at once, so that many do not begin what none can end.
  if (!room.take(length)) return NO_ROOM;
  let taken = length;
  const chunks = new Chunks();
  for await (const chunk of reader.rest()) {
    const size = chunks.size + chunk.byteLength;
    if (size > MAX_BODY_BYTES) return TOO_LARGE;
    if (size > taken) {
      if (!room.take(size - taken)) return NO_ROOM;
      taken = size;
    }
    chunks.push(chunk);
  }
  return chunks.take();
}

async function write(stream: Duplex, { status, headers, body }: Answer): Promise<void> {
  const writer = new FrameWriter(stream);
  const isWhole = body instanceof Uint8Array;
  // A stream's last words are said when its reader leaves, and it has none before its first.
  const parts = isWhole ? [body] : body;
  let begun = false;
  const begin = async (): Promise<void> => {
    begun = true;
    await writer.write(headMessage({ status, headers, ...(isWhole ? { length: body.byteLength } : {}) }));
  };
  for await (const part of parts) {
    if (!begun) await begin();
    await writer.write(part);
  }
  if (!begun) await begin();
  // Whoever still sends what was refused before it had come is to read why first.
  stream.once("finish", () => {
    if (stream.closed) return;
    const lingering = setTimeout(() => stream.destroy(), LINGER_MS);
    lingering.unref();
    stream.once("close", () => clearTimeout(lingering));
  });
  writer.end();
}

const LINGER_MS = 5_000;

function departureOf(stream: Duplex): Departure {
  return {
    get gone() {
      return stream.destroyed;
    },
    onGone: (listener) => stream.once("close", () => listener.clientGone()),
  };
}
