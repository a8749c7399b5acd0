/** Group commit: what is queued in one turn of the loop is written at once; faults are kept to themselves and healed. */

import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import type { Clock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import { Batch, type Ticket } from "./batch.ts";
import type { HeadRecord } from "./head.ts";
import { type Journal, MAX_APPEND_BYTES, spaceOf } from "./journal.ts";
import type { OpenRequest } from "./open-requests.ts";
import type { Reserve } from "./reserve.ts";

/** What a committer needs of the recorder around it. */
export interface CommitterPort {
  readonly journal: Journal;
  readonly reserve: Reserve;
  readonly clock: Clock;
  readonly mode: "strict" | "best_effort";
  readonly fsync: "batch" | "always";
  readonly maxQueue: number;
  /** The file of the oldest intent without an event, for the head record; `undefined` without any. */
  oldestOpen(): number | undefined;
  /** These requests' events are on record. */
  settled(ended: readonly OpenRequest[]): void;
  /** These requests' events could not be written. */
  unsettled(ended: readonly OpenRequest[]): void;
  faulted(error: PosternError): void;
  /** Writing works again, and `recoveryText()` is on record. */
  recovered(recovery: Recovery): void;
  /** The text of a line about the log itself. */
  recoveryText(recovery: Recovery): string;
  droppedText(count: number): string;
}

/** The end of a time without a working log. */
export interface Recovery {
  /** Milliseconds since the Unix epoch. */
  readonly faultedAt: number;
  readonly faultedMs: number;
  readonly reason: string;
  readonly rejected: number;
}

/** Counts since the start. */
export interface CommitterStats {
  readonly lines: number;
  readonly bytes: number;
  readonly writes: number;
  readonly syncs: number;
  readonly rejected: number;
  readonly dropped: number;
  readonly faults: number;
}

interface Fault {
  readonly error: PosternError;
  readonly at: number;
  readonly since: number;
  triedAt: number;
  rejected: number;
}

const SYNC_MS = 100;
const RETRY_MS = 250;
// A write that held up the loop for so long sends those of the next seconds through the thread pool.
const SLOW_WRITE_MS = 20;
const SLOW_FOR_MS = 10_000;

/** Writes texts as lines of a journal, many in one write. */
export class Committer {
  readonly #port: CommitterPort;
  readonly #stats = { lines: 0, bytes: 0, writes: 0, syncs: 0, rejected: 0, dropped: 0, faults: 0 };
  #queue: Batch[] = [];
  #queued = 0;
  #scheduled = false;
  #writing: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #syncTimer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #fault: Fault | undefined;
  #slowUntil = 0;
  #untoldDrops = 0;
  #closed = false;

  constructor(port: CommitterPort) {
    this.#port = port;
  }

  get healthy(): boolean {
    return this.#fault === undefined && !this.#closed;
  }

  /** Records that wait for their write. */
  get queueLength(): number {
    return this.#queued;
  }

  stats(): CommitterStats {
    return { ...this.#stats };
  }

  /**
   * Queues a text; `ended` is the request that it ends, if it ends one. Resolves when the line is where the mode wants it.
   *
   * @throws {PosternError} `audit_unavailable` (as a rejection) when it cannot be brought there.
   */
  add(text: string, ended?: OpenRequest): Promise<void> {
    if (this.#closed) return this.#refuse("the log is closed", ended);
    if (spaceOf(text) > MAX_APPEND_BYTES)
      return this.#refuse(`the event has ${text.length} characters, too many for a line`, ended);
    // Outcomes are always taken: there are no more of them than requests that were let through.
    if (this.#queued >= this.#port.maxQueue && ended === undefined) {
      if (this.#port.mode === "strict") return this.#refuse(`${this.#queued} records wait already`, ended);
      this.#dropOldest();
    }
    let batch = this.#queue.at(-1);
    if (batch === undefined || !batch.hasRoomFor(text)) {
      batch = new Batch();
      this.#queue.push(batch);
    }
    this.#queued += 1;
    if (!this.#scheduled && this.#writing === undefined) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#flush();
      });
    }
    const written = batch.add(text, ended);
    return this.#port.mode === "strict" ? written : Promise.resolve();
  }

  /** Writes what waits, syncs it, and replaces the head record; then refuses everything. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#syncTimer);
    clearTimeout(this.#retryTimer);
    do {
      this.#flush();
      await this.#writing;
    } while (this.#queued > 0 && this.#fault === undefined);
    await this.#syncing;
    for (const batch of this.#queue) this.#rejectBatch(batch, unavailable("the log is closed"));
    this.#queue = [];
    this.#queued = 0;
    try {
      await this.#port.journal.sync();
      await this.#port.journal.writeHead(this.#head(true));
    } finally {
      await this.#port.journal.close();
    }
  }

  #flush(): void {
    // Whoever writes now comes back here when it is done.
    while (this.#writing === undefined) {
      const batch = this.#queue[0];
      if (batch === undefined) return;
      if (this.#fault !== undefined && !this.#heal(this.#fault) && this.#port.mode === "best_effort") return;
      this.#queue.shift();
      this.#queued -= batch.size;
      this.#commit(batch);
    }
  }

  #commit(batch: Batch): void {
    if (this.#fault !== undefined) {
      this.#rejectTicket(batch.fresh, this.#fault.error);
      this.#commitOutcomes(batch.outcomes, this.#fault.error);
      return;
    }
    if (this.#untoldDrops > 0) this.#tellDrops(batch);
    const { journal, clock } = this.#port;
    const { outcomes, fresh } = batch;
    const began = clock.monotonic();
    if (began < this.#slowUntil || this.#port.fsync === "always") {
      this.#writing = this.#commitSlowly(batch, began < this.#slowUntil).then(() => {
        this.#writing = undefined;
        this.#flush();
      });
      return;
    }
    try {
      this.#written(journal.appendSync(outcomes.texts, fresh.texts), batch.size);
    } catch (cause) {
      this.#failed(batch, cause);
      return;
    }
    if (clock.monotonic() - began > SLOW_WRITE_MS) this.#slowUntil = clock.monotonic() + SLOW_FOR_MS;
    this.#resolve(batch);
  }

  async #commitSlowly(batch: Batch, offLoop: boolean): Promise<void> {
    const { journal, fsync } = this.#port;
    const [outcomes, fresh] = [batch.outcomes.texts, batch.fresh.texts];
    try {
      this.#written(offLoop ? await journal.append(outcomes, fresh) : journal.appendSync(outcomes, fresh), batch.size);
    } catch (cause) {
      this.#failed(batch, cause);
      return;
    }
    try {
      if (fsync === "always") {
        await journal.sync();
        this.#stats.syncs += 1;
      }
    } catch (cause) {
      // The lines stand in the file, so they are not written again; whether they outlive a power cut is not known.
      const error = this.#raise(cause);
      this.#port.settled(batch.outcomes.ended);
      batch.outcomes.reject(error);
      this.#rejectTicket(batch.fresh, error);
      return;
    }
    this.#resolve(batch);
  }

  #written(bytes: number, lines: number): void {
    this.#stats.writes += 1;
    this.#stats.lines += lines;
    this.#stats.bytes += bytes;
    this.#syncLater();
  }

  #syncLater(): void {
    if (this.#syncTimer !== undefined || this.#closed) return;
    this.#syncTimer = setTimeout(() => {
      this.#syncing = this.#sync();
    }, SYNC_MS);
    this.#syncTimer.unref();
  }

  /** Brings lines to the disk, then the head record that vouches for them: never the other way round. */
  async #sync(): Promise<void> {
    const head = this.#head(false);
    try {
      await this.#port.journal.sync();
      await this.#port.journal.writeHead(head);
      this.#stats.syncs += 1;
    } catch (cause) {
      this.#raise(cause);
    }
    this.#syncTimer = undefined;
    if (this.#port.journal.position.seq !== head.seq) this.#syncLater();
  }

  #resolve({ outcomes, fresh }: Batch): void {
    if (outcomes.ended.length > 0) this.#port.settled(outcomes.ended);
    outcomes.resolve();
    fresh.resolve();
  }

  #failed(batch: Batch, cause: unknown): void {
    const error = this.#raise(cause);
    if (this.#port.mode === "best_effort") {
      this.#queue.unshift(batch);
      this.#queued += batch.size;
      return;
    }
    this.#rejectTicket(batch.fresh, error);
    this.#commitOutcomes(batch.outcomes, error);
  }

  /** Outcomes of requests that were sent on before the fault: for them the reserve is there. */
  #commitOutcomes(outcomes: Ticket, error: PosternError): void {
    if (outcomes.texts.length === 0) return;
    try {
      this.#port.reserve.release();
      this.#written(this.#port.journal.appendSync(outcomes.texts, []), outcomes.texts.length);
    } catch {
      this.#rejectTicket(outcomes, error);
      return;
    }
    this.#port.settled(outcomes.ended);
    outcomes.resolve();
  }

  #raise(cause: unknown): PosternError {
    if (this.#fault !== undefined) return this.#fault.error;
    const error = unavailable(messageOf(cause), cause);
    const { clock } = this.#port;
    const since = clock.monotonic();
    this.#fault = { error, at: clock.now(), since, triedAt: since, rejected: 0 };
    this.#stats.faults += 1;
    this.#retryLater();
    this.#port.faulted(error);
    return error;
  }

  /** Tries to write again; returns whether that works. */
  #heal(fault: Fault): boolean {
    const { clock, journal, reserve } = this.#port;
    const now = clock.monotonic();
    if (now - fault.triedAt < RETRY_MS) return false;
    fault.triedAt = now;
    const recovery: Recovery = {
      faultedAt: fault.at,
      faultedMs: Math.round(now - fault.since),
      reason: fault.error.message,
      rejected: fault.rejected,
    };
    try {
      reserve.restore();
      journal.mendNow(this.#head(false));
      this.#written(journal.appendSync([this.#port.recoveryText(recovery)], []), 1);
    } catch {
      return false;
    }
    this.#fault = undefined;
    this.#port.recovered(recovery);
    return true;
  }

  #retryLater(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => {
      if (this.#fault === undefined || this.#closed) return;
      if (this.#writing === undefined && this.#heal(this.#fault)) this.#flush();
      else this.#retryLater();
    }, RETRY_MS);
    this.#retryTimer.unref();
  }

  #dropOldest(): void {
    const oldest = this.#queue.find((batch) => batch.dropOldest());
    if (oldest === undefined) return;
    this.#queued -= 1;
    this.#stats.dropped += 1;
    this.#untoldDrops += 1;
  }

  #tellDrops(batch: Batch): void {
    const text = this.#port.droppedText(this.#untoldDrops);
    if (!batch.hasRoomFor(text)) return;
    void batch.add(text, undefined);
    this.#untoldDrops = 0;
  }

  #rejectBatch(batch: Batch, error: PosternError): void {
    this.#rejectTicket(batch.fresh, error);
    this.#rejectTicket(batch.outcomes, error);
  }

  #rejectTicket(ticket: Ticket, error: PosternError): void {
    if (ticket.texts.length === 0) return;
    this.#stats.rejected += ticket.texts.length;
    if (this.#fault !== undefined) this.#fault.rejected += ticket.texts.length;
    if (ticket.ended.length > 0) this.#port.unsettled(ticket.ended);
    ticket.reject(error);
  }

  #refuse(reason: string, ended: OpenRequest | undefined): Promise<void> {
    this.#stats.rejected += 1;
    if (ended !== undefined) this.#port.unsettled([ended]);
    return Promise.reject(unavailable(reason));
  }

  #head(closed: boolean): Omit<HeadRecord, "stream"> {
    const { journal, clock } = this.#port;
    const { seq, hash } = journal.position;
    const oldest = this.#port.oldestOpen();
    const open_from = oldest ?? (closed ? seq + 1 : journal.first);
    return { seq, hash, open_from, closed, time: new Date(clock.now()).toISOString() };
  }
}

function unavailable(reason: string, cause?: unknown): PosternError {
  return new PosternError("audit_unavailable", `Cannot write the audit log: ${reason}`, {
    cause,
    hint: "free space on the disk of data_dir, or make it writable; the log recovers by itself",
  });
}
