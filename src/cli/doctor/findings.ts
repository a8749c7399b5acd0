/** What `postern doctor` says: one finding a line, with a remedy where there is something to do. */

export interface Finding {
  /** `ok`: works; `warn`: works, but look; `fail`: requests will be refused or fail. */
  readonly state: "ok" | "warn" | "fail";
  /** What was looked at: `configuration`, `role ExampleRole`, … */
  readonly subject: string;
  readonly message: string;
  readonly remedy?: string;
}

export const ok = (subject: string, message: string): Finding => ({ state: "ok", subject, message });

export const warn = (subject: string, message: string, remedy: string): Finding => ({
  state: "warn",
  subject,
  message,
  remedy,
});

export const fail = (subject: string, message: string, remedy: string): Finding => ({
  state: "fail",
  subject,
  message,
  remedy,
});

/** The finding as text for people. */
export function formatFinding({ state, subject, message, remedy }: Finding, color: boolean): string {
  const mark = color ? `\x1b[${{ ok: 32, warn: 33, fail: 31 }[state]}m${state.padEnd(4)}\x1b[0m` : state.padEnd(4);
  return `${mark}  ${subject}: ${message}\n${remedy === undefined ? "" : `      ${remedy}\n`}`;
}
