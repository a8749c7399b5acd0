/** The recorder: turns events into lines, knows which requests are under way, and picks up what a crash left. */

import { chmod, stat } from "node:fs/promises";
import type { Clock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import { makePrivateDirectory } from "../base/private-directory.ts";
import type { ChainPosition } from "./chain.ts";
import { Committer, type CommitterStats } from "./committer.ts";
import type { AuditEvent, RecorderEvent, RequestFacts, RequestOutcome } from "./event.ts";
import { isStreamName } from "./files.ts";
import { Journal } from "./journal.ts";
import { lockStream } from "./lock.ts";
import { readIntent, type RecoveredStream, recoverStream } from "./recovery.ts";
import { OpenRequest, OpenRequests } from "./open-requests.ts";
import { renderEvent, renderFacts, renderIntent, renderRequest, renderUnknown } from "./render.ts";
import { Reserve } from "./reserve.ts";

/** How a recorder keeps its log. */
export interface RecorderOptions {
  /** Where its files are (`auditDirectoryOf(data_dir)`); made, for this user only, when absent. */
  readonly directory: string;
  /** Which chain this process writes; each process has its own. Default `main`. */
  readonly stream?: string;
  /** `strict` acknowledges what the operating system has; `best_effort` acknowledges at once and may drop. */
  readonly mode: "strict" | "best_effort";
  /** `always` acknowledges what the disk has; `batch` brings it there within 100 ms. */
  readonly fsync: "batch" | "always";
  readonly clock: Clock;
  /** A file is followed by the next before it grows over this. Default 64 MiB. */
  readonly maxFileBytes?: number;
  /** The most records waiting to be written. Default 8192. */
  readonly maxQueue?: number;
  /** The most requests between intent and event. Default 65,536. */
  readonly maxOpen?: number;
  /** Called once when the log stops taking records. */
  readonly onFault?: (error: PosternError) => void;
  /** Called when it takes them again, with the milliseconds in between. */
  readonly onRecovered?: (faultedMs: number) => void;
}

/** Figures for metrics. Counts are since `open()`. */
export interface RecorderStats extends CommitterStats {
  readonly healthy: boolean;
  readonly queueLength: number;
  /** Requests between intent and event. */
  readonly openRequests: number;
  /** The last line: kept elsewhere, it proves later that nothing before it was changed. */
  readonly position: ChainPosition;
}

/** One writer of one stream of audit lines. Open it with `Recorder.open()`, end it with `close()`. */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #stream: string;
  readonly #maxOpen: number;
  readonly #journal: Journal;
  readonly #committer: Committer;
  readonly #unlock: () => void;
  readonly #requests = new OpenRequests();
  // Until the intents of an earlier run have their events, a crash must find them again.
  #recoveringFrom: number | undefined;
  #stamp = { at: Number.NaN, text: "" };

  /** For `Recorder.open()`. */
  constructor(options: RecorderOptions, stream: string, journal: Journal, unlock: () => void) {
    this.#options = options;
    this.#stream = stream;
    this.#maxOpen = options.maxOpen ?? 65_536;
    this.#journal = journal;
    this.#unlock = unlock;
    this.#committer = new Committer({
      journal,
      reserve: new Reserve(options.directory, stream),
      clock: options.clock,
      mode: options.mode,
      fsync: options.fsync,
      maxQueue: options.maxQueue ?? 8192,
      oldestOpen: () => this.#recoveringFrom ?? this.#requests.first,
      settled: (ended) => {
        for (const request of ended) this.#requests.delete(request);
      },
      unsettled: (ended) => {
        for (const request of ended) if (this.#requests.has(request)) request.late = true;
      },
      faulted: (error) => options.onFault?.(error),
      recovered: ({ faultedMs }) => {
        this.#writeLate();
        options.onRecovered?.(faultedMs);
      },
      recoveryText: ({ faultedAt, faultedMs, reason, rejected }) =>
        this.#textOf({
          event: "postern.audit.recovered",
          code: "PAU03W",
          stream,
          faulted_at: new Date(faultedAt).toISOString(),
          faulted_ms: faultedMs,
          reason,
          rejected_count: rejected,
        }),
      droppedText: (count) =>
        this.#textOf({ event: "postern.audit.dropped", code: "PAU04W", stream, dropped_count: count }),
    });
  }

  /**
   * Opens a stream: takes its lock, repairs what a crash left, and records an event with `outcome: unknown` for every
   * intent that has none.
   *
   * @throws {PosternError} `audit_stream_invalid`, `audit_locked`, or `audit_unavailable` when the directory cannot be
   * read and written.
   */
  static async open(options: RecorderOptions): Promise<Recorder> {
    const stream = options.stream ?? "main";
    if (!isStreamName(stream)) {
      throw new PosternError(
        "audit_stream_invalid",
        `Cannot open audit stream "${stream}": the name is not usable in a file name`,
        {
          hint: "use lower-case letters, digits and inner hyphens",
        },
      );
    }
    let unlock: (() => void) | undefined;
    let recorder: Recorder | undefined;
    try {
      await makePrivate(options.directory);
      unlock = lockStream(options.directory, stream);
      const recovered = await recoverStream(options.directory, stream, options.maxOpen ?? 65_536);
      const { position, file } = recovered;
      const maxFileBytes = options.maxFileBytes ?? 64 * 1024 * 1024;
      const journal = new Journal({
        directory: options.directory,
        stream,
        position,
        first: file?.file.first,
        maxFileBytes,
      });
      recorder = new Recorder(options, stream, journal, unlock);
      new Reserve(options.directory, stream).restore();
      // From the first line on there is a head record, so one that is missing later was taken away.
      const first = file?.file.first ?? position.seq + 1;
      journal.mendNow({
        ...position,
        open_from: recovered.unfinished[0]?.first ?? first,
        closed: false,
        time: recorder.#now(),
      });
      await recorder.#recordRecovery(recovered);
      return recorder;
    } catch (cause) {
      await recorder?.close().catch(() => undefined);
      unlock?.();
      if (cause instanceof PosternError) throw cause;
      throw new PosternError(
        "audit_unavailable",
        `Cannot open the audit log in "${options.directory}": ${messageOf(cause)}`,
        {
          cause,
          hint: "make data_dir a directory that this user can write, on a disk with space",
        },
      );
    }
  }

  /** Whether records are taken now. */
  get healthy(): boolean {
    return this.#committer.healthy;
  }

  /** Records that wait to be written. */
  get queueLength(): number {
    return this.#committer.queueLength;
  }

  /** Figures for metrics. */
  stats(): RecorderStats {
    return {
      ...this.#committer.stats(),
      healthy: this.healthy,
      queueLength: this.queueLength,
      openRequests: this.#requests.size,
      position: this.#journal.position,
    };
  }

  /**
   * Records an event. Resolves when its line has reached the operating system (with `fsync: always`: the disk).
   *
   * @throws {PosternError} `audit_unavailable`, as a rejection, when it cannot; then no such line is in the log.
   */
  record(event: AuditEvent): Promise<void> {
    return this.#committer.add(this.#textOf(event));
  }

  /**
   * Records that a request is about to be sent on, and returns what is to be finished. Nothing may be sent before this
   * resolves.
   *
   * @throws {PosternError} `audit_unavailable`, as a rejection: then the request must not be sent.
   */
  async begin(facts: RequestFacts): Promise<OpenRequest> {
    if (this.#requests.size >= this.#maxOpen) {
      throw new PosternError(
        "audit_unavailable",
        `Cannot record an intent: ${this.#requests.size} requests are under way already`,
      );
    }
    const { session } = facts;
    const request = new OpenRequest(newId(), session, renderFacts(facts), this.#journal.first);
    this.#requests.add(request);
    try {
      await this.#committer.add(renderIntent(request.uid, this.#now(), session, request.facts));
    } catch (cause) {
      this.#requests.delete(request);
      throw cause;
    }
    return request;
  }

  /**
   * Records how a request ended. The answer's last byte waits for it. When it rejects, the event is kept and written when the
   * log recovers; the caller ends the answer as broken and does not call again.
   *
   * @throws {PosternError} `audit_unavailable` or `audit_intent_unknown`, as rejections.
   */
  finish(request: OpenRequest, outcome: RequestOutcome): Promise<void> {
    const { uid, session, facts } = request;
    if (request.text !== undefined || !this.#requests.has(request)) {
      const reason = request.text === undefined ? "no intent with it is open" : "it is finished already";
      return Promise.reject(
        new PosternError("audit_intent_unknown", `Cannot record the end of request "${uid}": ${reason}`),
      );
    }
    request.text = renderRequest(uid, this.#now(), session.nextIndex(), facts, outcome);
    // Nobody will hear whether a best-effort record was written, so it need not be remembered.
    if (this.#options.mode === "best_effort") this.#requests.delete(request);
    return this.#committer.add(request.text, request);
  }

  /** Writes and syncs everything, marks the end of the log, and gives the stream back. Records after it are refused. */
  async close(): Promise<void> {
    try {
      await this.#committer.close();
    } finally {
      this.#unlock();
    }
  }

  async #recordRecovery({ torn, gap, unfinished }: RecoveredStream): Promise<void> {
    const stream = this.#stream;
    if (gap !== undefined) {
      const { from: missing_from, to: missing_to, reason } = gap;
      await this.#committer.add(
        this.#textOf({ event: "postern.audit.gap", code: "PAU02E", stream, missing_from, missing_to, reason }),
      );
    }
    if (torn !== undefined) {
      await this.#committer.add(this.#textOf({ event: "postern.audit.repaired", code: "PAU01W", stream, ...torn }));
    }
    this.#recoveringFrom = unfinished[0]?.first;
    // One at a time: their number is bounded, but their lines together are not small.
    for (const intent of unfinished) {
      const line = await readIntent(intent);
      const reason = `intent ${intent.uid} cannot be read`;
      const altered = {
        event: "postern.audit.gap",
        code: "PAU02E",
        stream,
        missing_from: null,
        missing_to: null,
        reason,
      } as const;
      await this.#committer.add(line === undefined ? this.#textOf(altered) : renderUnknown(line, this.#now()));
    }
    this.#recoveringFrom = undefined;
  }

  #writeLate(): void {
    for (const request of this.#requests.late()) {
      if (request.text === undefined) continue;
      request.late = false;
      this.#committer.add(request.text, request).catch(() => undefined);
    }
  }

  #textOf(event: AuditEvent | RecorderEvent): string {
    return renderEvent(event, newId(), this.#now());
  }

  #now(): string {
    const at = this.#options.clock.now();
    if (at !== this.#stamp.at) this.#stamp = { at, text: new Date(at).toISOString() };
    return this.#stamp.text;
  }
}

/** Makes a directory that only this user can enter; narrows one that others could. */
async function makePrivate(directory: string): Promise<void> {
  makePrivateDirectory(directory);
  if (((await stat(directory)).mode & 0o077) !== 0) await chmod(directory, 0o700);
}
