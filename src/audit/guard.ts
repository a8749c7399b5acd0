/** The last look at a line before it is written: values under names of known secrets never get through. */

/**
 * Returns JSON text with the value of every member whose name is that of a known secret replaced by `"[secret]"`, at any
 * depth. `members` is the inside of an object (`"a":1,"b":2`). Attribute values are hashed before they come here; this is
 * the net under that.
 */
export function withoutSecrets(members: string): string {
  // Almost every line passes this one scan.
  if (!SECRET_MEMBER.test(members)) return members;
  const text = JSON.stringify(JSON.parse(`{${members}}`), (name, value: unknown) =>
    isSecretName(name) ? "[secret]" : value,
  );
  return text.slice(1, -1);
}

/** Whether a member of this name must never be written. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

// AWS credentials and signatures, HTTP credentials, and the usual words for what people log in with.
const NAMES =
  "(?:proxy[-_]?)?authorization|(?:set[-_]?)?cookie|x-amz-(?:security-token|signature|credential)|(?:aws[-_]?)?secret[-_]?access[-_]?key|" +
  "(?:aws[-_]?)?se(?:ssion|curity)[-_]?token|pass(?:word|wd|phrase)|private[-_]?key|auth[-_]?token|api[-_]?key|(?:client[-_]?)?secret";

const SECRET_NAME = new RegExp(`^(?:${NAMES})$`, "i");
const SECRET_MEMBER = new RegExp(`"(?:${NAMES})":`, "i");
