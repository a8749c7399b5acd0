/** Verification: finds every line that was removed, altered, inserted, moved or cut off, and says where. */

import { CHAIN_START, type ChainFields, chainFieldsOf, type ChainPosition, expectedHashOf } from "./chain.ts";
import { type AuditFile, listAuditFiles } from "./files.ts";
import { type HeadReading, readHead } from "./head.ts";
import { type RawLine, readLines } from "./line-reader.ts";

/** What may be wrong with a log. */
export const FINDINGS = {
  altered: "the line is not what was written",
  removed: "lines that stood here are gone",
  inserted: "the line was not written here, or the line before it was replaced",
  repeated: "the line is out of order, or stands here a second time",
  truncated: "lines at the end are gone",
  appended: "lines follow the end that the writer marked",
  pruned: "the log starts later than it began: whole files at its start are gone",
  head_missing: "the head record, which vouches for the last lines, is gone",
  head_unreadable: "the head record is damaged",
  foreign: "the file was not made by a recorder",
} as const;

export type FindingKind = keyof typeof FINDINGS;

/** One thing that is wrong, and where. */
export interface Finding {
  readonly kind: FindingKind;
  readonly stream: string | null;
  /** Name of the file in the audit directory. */
  readonly file: string | null;
  /** From 1; `null` when it concerns no line. */
  readonly line: number | null;
  readonly message: string;
}

/** What one stream holds. */
export interface StreamReport {
  readonly stream: string;
  readonly files: number;
  readonly lines: number;
  /** Sequence numbers of its first and last lines; 0 without lines. */
  readonly first: number;
  readonly last: number;
  /** The last line's hash: kept elsewhere, it proves later that nothing before it was changed. */
  readonly hash: string;
  /** Whether its writer ended in order. */
  readonly closed: boolean;
}

/** The result of a verification. `findings` keeps the first 1,000; `findingsTotal` counts all. */
export interface AuditReport {
  readonly directory: string;
  readonly ok: boolean;
  readonly streams: readonly StreamReport[];
  readonly findings: readonly Finding[];
  readonly findingsTotal: number;
}

export interface VerifyOptions {
  /** Accept that whole files at the start of a stream were deleted, as an operator does to make room. Default false. */
  readonly allowPruned?: boolean;
  /** Places that must be in the log unchanged, as an earlier verification or a metric gave them. */
  readonly anchors?: readonly (ChainPosition & { readonly stream: string })[];
}

const MAX_FINDINGS = 1000;

/** Verifies every stream of an audit directory, also while a service writes to it. */
export async function verifyAudit(directory: string, options: VerifyOptions = {}): Promise<AuditReport> {
  const ledger = new Ledger();
  // Heads first: what they vouch for is on the disk by the time that the files are listed.
  const heads = new Map<string, HeadReading>();
  const before = await listAuditFiles(directory);
  for (const stream of new Set([...before.streams.keys(), ...before.heads]))
    heads.set(stream, await readHead(directory, stream));
  const listing = await listAuditFiles(directory);
  for (const file of listing.foreign)
    ledger.add({ kind: "foreign", stream: null, file, line: null, message: FINDINGS.foreign });
  const streams: StreamReport[] = [];
  for (const [stream, head] of heads) {
    const anchors = options.anchors?.filter((anchor) => anchor.stream === stream) ?? [];
    const verifier = new StreamVerifier(stream, head, anchors, ledger);
    streams.push(await verifier.run(listing.streams.get(stream) ?? [], options.allowPruned === true));
  }
  for (const { stream, seq } of options.anchors ?? []) {
    if (heads.has(stream)) continue;
    ledger.add({
      kind: "truncated",
      stream,
      file: null,
      line: null,
      message: `stream "${stream}", with line ${seq}, is gone`,
    });
  }
  const { findings, total } = ledger;
  return { directory, ok: total === 0, streams, findings, findingsTotal: total };
}

class Ledger {
  readonly findings: Finding[] = [];
  total = 0;

  add(finding: Finding): void {
    this.total += 1;
    if (this.findings.length < MAX_FINDINGS) this.findings.push(finding);
  }
}

class StreamVerifier {
  readonly #stream: string;
  readonly #head: HeadReading;
  readonly #ledger: Ledger;
  // Places that must turn up with these hashes: the head's and the anchors'.
  readonly #vouched = new Map<number, { readonly hash: string; readonly by: string }>();
  #expected: number = CHAIN_START.seq + 1;
  // `null` after a line whose place cannot be read.
  #prev: string | null = CHAIN_START.hash;
  #lines = 0;
  #first = 0;
  #last: { readonly position: ChainPosition; readonly file: string; readonly line: number } | undefined;

  constructor(stream: string, head: HeadReading, anchors: readonly ChainPosition[], ledger: Ledger) {
    this.#stream = stream;
    this.#head = head;
    this.#ledger = ledger;
    if (typeof head === "object" && head.seq > 0)
      this.#vouched.set(head.seq, { hash: head.hash, by: "the head record" });
    for (const { seq, hash } of anchors) this.#vouched.set(seq, { hash, by: "an anchor" });
  }

  async run(files: readonly AuditFile[], allowPruned: boolean): Promise<StreamReport> {
    const start = files[0];
    if (start !== undefined && start.first > 1) {
      this.#expected = start.first;
      this.#prev = null;
      if (!allowPruned)
        this.#find("pruned", start.name, null, `the log starts at line ${start.first}; the files before it are gone`);
    }
    for (const [at, file] of files.entries()) await this.#verifyFile(file, at === files.length - 1);
    this.#verifyEnd(files);
    const head = this.#head;
    return {
      stream: this.#stream,
      files: files.length,
      lines: this.#lines,
      first: this.#first,
      last: this.#last?.position.seq ?? 0,
      hash: this.#last?.position.hash ?? CHAIN_START.hash,
      closed: typeof head === "object" && head.closed,
    };
  }

  async #verifyFile(file: AuditFile, isLast: boolean): Promise<void> {
    let opened = false;
    for await (const lines of readLines(file.path)) {
      for (const line of lines) {
        // A writer may be at work, or have died at it: what it acknowledged, the head record vouches for.
        if (isLast && !line.complete && !line.oversize && !(typeof this.#head === "object" && this.#head.closed))
          continue;
        this.#verifyLine(file, line, opened ? undefined : file.first);
        opened = true;
      }
    }
  }

  #verifyLine(file: AuditFile, line: RawLine, named: number | undefined): void {
    this.#lines += 1;
    const fields = line.complete && !line.oversize ? chainFieldsOf(line.bytes) : undefined;
    if (fields === undefined) {
      this.#find("altered", file.name, line.number, "the line does not end in the chain's fields, as every line does");
      this.#expected += 1;
      this.#prev = null;
      return;
    }
    if (expectedHashOf(line.bytes) !== fields.hash) {
      this.#find(
        "altered",
        file.name,
        line.number,
        `line ${fields.seq} is not what was written: its hash does not fit`,
      );
      // Where an altered line claims to stand is believed only if nothing speaks against it.
      if (fields.seq !== this.#expected) {
        this.#expected += 1;
        this.#prev = null;
        return;
      }
    } else this.#verifyPlace(file, line, fields, named);
    if (this.#first === 0) this.#first = fields.seq;
    if (fields.seq < this.#expected) return;
    this.#expected = fields.seq + 1;
    this.#prev = fields.hash;
    this.#last = { position: { seq: fields.seq, hash: fields.hash }, file: file.name, line: line.number };
  }

  #verifyPlace(file: AuditFile, line: RawLine, fields: ChainFields, named: number | undefined): void {
    const { seq, prev, hash } = fields;
    const vouched = this.#vouched.get(seq);
    if (seq > this.#expected) {
      this.#find(
        "removed",
        file.name,
        line.number,
        `${rangeOf(this.#expected, seq - 1)} gone before this line, which is line ${seq}`,
      );
    } else if (seq < this.#expected) {
      this.#find("repeated", file.name, line.number, `line ${seq} stands where line ${this.#expected} should`);
      return;
    } else if (this.#prev !== null && prev !== this.#prev) {
      this.#find("inserted", file.name, line.number, `line ${seq} was not written after the line before it`);
    } else if (named !== undefined && named !== seq) {
      this.#find("removed", file.name, line.number, `the file begins with line ${seq}, but was made for line ${named}`);
    }
    if (vouched === undefined) return;
    this.#vouched.delete(seq);
    if (vouched.hash !== hash)
      this.#find("altered", file.name, line.number, `line ${seq} is not the line that ${vouched.by} names`);
  }

  #verifyEnd(files: readonly AuditFile[]): void {
    const head = this.#head;
    const last = this.#last;
    const file = last?.file ?? files.at(-1)?.name ?? null;
    const line = last?.line ?? null;
    const seq = this.#expected - 1;
    if (head === "missing") this.#find("head_missing", file, null, FINDINGS.head_missing);
    if (head === "unreadable") this.#find("head_unreadable", file, null, FINDINGS.head_unreadable);
    for (const [missing, { by }] of this.#vouched) {
      if (missing > seq)
        this.#find("truncated", file, line, `the log ends with line ${seq}, but ${by} names line ${missing}`);
    }
    if (typeof head === "object" && head.closed && seq > head.seq) {
      this.#find(
        "appended",
        file,
        line,
        `the writer ended the log with line ${head.seq}, but it goes on to line ${seq}`,
      );
    }
  }

  #find(kind: FindingKind, file: string | null, line: number | null, message: string): void {
    this.#ledger.add({ kind, stream: this.#stream, file, line, message });
  }
}

function rangeOf(from: number, to: number): string {
  return from === to ? `line ${from} is` : `lines ${from} to ${to} are`;
}
