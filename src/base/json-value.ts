/** The values that JSON is read into. */

/** A JSON value. Objects are maps, so that no key of a client (`__proto__`) means anything to the program. */
export type JsonValue = null | boolean | number | string | JsonArray | JsonObject;
export type JsonArray = readonly JsonValue[];
export type JsonObject = ReadonlyMap<string, JsonValue>;
