/** Lines of a text that comes in parts. */

/** Puts them together again. */
export class Lines {
  #rest = "";

  /** UTF-16 code units of the line that has no end yet: for whoever reads somebody else's to bound. */
  get pending(): number {
    return this.#rest.length;
  }

  /** The lines that end in this part, without their ends. */
  take(part: string): readonly string[] {
    const [first = "", ...more] = part.split("\n");
    this.#rest += first;
    const lines: string[] = [];
    for (const next of more) {
      lines.push(this.#rest);
      this.#rest = next;
    }
    return lines;
  }
}
