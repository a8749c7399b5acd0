/** Picks named files out of a tar archive in memory; nothing is written anywhere. */

/**
 * Returns the files of `archive` whose names are in `wanted`, as views of it. A leading `/` or `./` of a name is dropped.
 *
 * @throws Error when the archive is damaged, or holds a wanted name twice or as something other than a file.
 */
export function readTar(archive: Uint8Array, wanted: ReadonlySet<string>): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (let at = 0; at < archive.length;) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.length < BLOCK) throw new Error("the archive ends in the middle of a header");
    if (header.every((byte) => byte === 0)) return found;
    requireChecksum(header);
    const size = octal(header, 124, 12);
    const start = at + BLOCK;
    if (size > archive.length - start) throw new Error("the archive ends in the middle of a file");
    const name = nameOf(header);
    if (wanted.has(name)) {
      // "0" is a file, and NUL is how old archives say so.
      if (header[156] !== 0x30 && header[156] !== 0) throw new Error(`${name} is not a file`);
      if (found.has(name)) throw new Error(`the archive holds ${name} twice`);
      found.set(name, archive.subarray(start, start + size));
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  throw new Error("the archive has no end");
}

const BLOCK = 512;

function nameOf(header: Uint8Array): string {
  const prefix = text(header, 257, 5) === "ustar" ? text(header, 345, 155) : "";
  const name = text(header, 0, 100);
  return (prefix === "" ? name : `${prefix}/${name}`).replace(/^(?:\.?\/)+/, "");
}

function text(header: Uint8Array, offset: number, length: number): string {
  const field = header.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

function octal(header: Uint8Array, offset: number, length: number): number {
  const digits = text(header, offset, length).trim();
  if (!/^[0-7]{1,11}$/.test(digits)) throw new Error("a header of the archive is damaged");
  return Number.parseInt(digits, 8);
}

function requireChecksum(header: Uint8Array): void {
  let sum = 0;
  for (let index = 0; index < BLOCK; index++) sum += index >= 148 && index < 156 ? 0x20 : (header[index] ?? 0);
  if (sum !== octal(header, 148, 8)) throw new Error("a header of the archive is damaged");
}
