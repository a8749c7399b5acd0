/** The head of a request as it goes over the wire. What could end a line, or be another byte there than here, is refused. */

/** RFC 9110 §5.6.2, and §5.5. Beyond U+00FF a character would lose its upper half: U+010A would be a line feed. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** What says how a request ends and what becomes of the connection is ours to say. */
const OURS = /^(?:content-length|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect)$/i;

/**
 * `POST /` with exactly these headers and the length of the body; a string of Latin-1.
 *
 * @throws TypeError when a header is none, or there is no host
 */
export function requestHead(headers: Readonly<Record<string, string>>, length: number): string {
  let head = "POST / HTTP/1.1\r\n";
  let hosts = 0;
  for (const name in headers) {
    const value = headers[name];
    if (typeof value !== "string" || !VALUE.test(value))
      throw new TypeError(`The value of the header ${JSON.stringify(name)} cannot be sent`);
    if (!NAME.test(name) || OURS.test(name)) throw new TypeError(`The header ${JSON.stringify(name)} cannot be sent`);
    if (name.length === 4 && name.toLowerCase() === "host") hosts += 1;
    head += `${name}: ${value}\r\n`;
  }
  if (hosts !== 1) throw new TypeError("A request names one host");
  return `${head}content-length: ${length}\r\n\r\n`;
}
