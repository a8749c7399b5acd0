/** The part of the closed list that a cluster's administration and logins write; events.ts joins it to the rest. */

/** Fields that only these events have. */
export const CLUSTER_FIELDS = {
  name: ["string", "name of what it was done to; of a join token its last characters only; empty for all of a kind"],
  "addr.remote": ["string or null", "where the client came from; null for the auth node's own terminal"],
  mfa_device: ["object or null", "{mfa_device_type}: totp or webauthn; null when no second factor was shown"],
  roles: ["array", "names of roles: a user's, or of a join token those by which services may join"],
  expires: ["string or null", "when it ends, RFC 3339; null for never"],
  ttl: ["string", "how long the link lasts, such as 1h0m0s"],
  join_method: ["string", "token, iam, github or kubernetes"],
  token_name: ["string", "the join token that was used; a secret's last characters only"],
  role: ["string", "as what it joins: db, proxy, auth or bot"],
  host_id: ["string or null", "identifier that the service got; null when it got none"],
  node_name: ["string", "what the service calls itself; empty for a bot"],
  attributes: [
    "object or null",
    "what was proved besides: {aws_account, aws_arn}, or the claims of the platform's token; of a login {connector}; null for nothing",
  ],
  cert_type: ["string", "user or host"],
  identity: [
    "object or null",
    "what the certificate says: {name, roles, serial, expires, and for a database its route}; null when it cannot be believed",
  ],
  authority: ["string", "which certificate authority: host or user"],
  phase: ["string", "init, update_clients, update_servers, standby or rollback"],
  pin: ["string", "the authority's pin from here on: sha256: and 64 hex digits"],
  key_id: ["string", "which sealing key; never the key"],
  verb: ["string", "what was attempted: list, read, create, update or delete"],
  kind: ["string", "kind of the resource: role, user, db, token …"],
  resource: ["string", "kind and name of a resource, such as role/dev"],
  locked_until: ["string", "until when the user cannot log in, RFC 3339"],
  store: ["string", "which kind of store: sqlite or dynamodb"],
  from_version: ["number", "version of the store's form before"],
  to_version: ["number", "version of the store's form now"],
} as const satisfies Record<string, readonly [type: string, meaning: string]>;

const BY = ["user", "service", "addr.remote", "name"] as const;
const USER = [...BY, "roles"] as const;
const REFUSED = ["user", "service", "addr.remote", "verb", "kind", "name", "reason"] as const;
const JOIN = [
  "token_name",
  "method",
  "role",
  "host_id",
  "node_name",
  "attributes",
  "addr.remote",
  "success",
  "error",
] as const;

/**
 * Names and codes without `postern.` are Teleport's. `user` is who did it and `name` whom or what it was done to, also
 * as there; `service` is where it was asked for.
 */
export const CLUSTER_EVENTS = {
  "user.login": {
    meaning: "Somebody logged in, or tried to; `user` is the name that was given, whether there is such a user or not",
    codes: {
      T1000I: "logged in, by password",
      T1000W: "refused, by password",
      T1001I: "logged in, by OIDC",
      T1001W: "refused, by OIDC",
    },
    fields: ["user", "method", "mfa_device", "addr.remote", "success", "error", "attributes"],
  },
  "user.create": { meaning: "A user was made", codes: { T1002I: "made" }, fields: USER },
  "user.update": { meaning: "A user was changed", codes: { T1003I: "changed" }, fields: USER },
  "user.delete": { meaning: "A user was removed", codes: { T1004I: "removed" }, fields: BY },
  "user.password_change": {
    meaning: "A user's password was set",
    codes: { T1005I: "set" },
    fields: ["user", "addr.remote"],
  },
  "mfa.add": { meaning: "A second factor was added", codes: { T1006I: "added" }, fields: ["user", "mfa_device"] },
  "mfa.delete": { meaning: "A second factor was removed", codes: { T1007I: "removed" }, fields: [...BY, "mfa_device"] },
  "reset_password_token.create": {
    meaning: "A link was made by which a user sets a password: an invite or a reset",
    codes: { T6000I: "made" },
    fields: [...BY, "ttl", "expires"],
  },
  "postern.link.refused": {
    meaning:
      "A link by which a user sets a password was opened or used in vain; `user` is empty for one that nobody knows",
    codes: { PLK01W: "refused" },
    fields: ["user", "addr.remote", "reason"],
  },
  "role.created": { meaning: "A role was made", codes: { T9000I: "made" }, fields: BY },
  "role.deleted": { meaning: "A role was removed", codes: { T9001I: "removed" }, fields: BY },
  "role.updated": { meaning: "A role was changed", codes: { T9002I: "changed" }, fields: BY },
  "oidc.created": { meaning: "An OIDC connector was made or changed", codes: { T8100I: "made" }, fields: BY },
  "oidc.deleted": { meaning: "An OIDC connector was removed", codes: { T8101I: "removed" }, fields: BY },
  "join_token.create": {
    meaning: "A join token was made or changed",
    codes: { TJT00I: "made" },
    fields: [...BY, "roles", "join_method", "expires"],
  },
  "lock.created": {
    meaning: "A lock was made or changed: whom it fits is shut out from the next operation on",
    codes: { TLK00I: "made" },
    fields: [...BY, "target", "expires"],
  },
  "lock.deleted": { meaning: "A lock was removed", codes: { TLK01I: "removed" }, fields: BY },
  "db.create": { meaning: "A database was made", codes: { TDB03I: "made" }, fields: BY },
  "db.update": { meaning: "A database was changed", codes: { TDB04I: "changed" }, fields: BY },
  "db.delete": { meaning: "A database was removed", codes: { TDB05I: "removed" }, fields: BY },
  "bot.join": {
    meaning: "A program without a person joined, or tried to",
    codes: { TJ001I: "joined", TJ001E: "refused" },
    fields: ["user", ...JOIN],
  },
  "instance.join": {
    meaning: "A service joined the cluster, or tried to",
    codes: { TJ002I: "joined", TJ002E: "refused" },
    fields: JOIN,
  },
  "cert.create": {
    meaning: "A certificate was issued",
    codes: { TC000I: "issued" },
    fields: ["user", "cert_type", "identity"],
  },
  "postern.cert.refused": {
    meaning: "A certificate was presented that does not count: expired, revoked, or of another cluster",
    codes: { PCE01W: "refused" },
    fields: ["cert_type", "identity", "addr.remote", "reason"],
  },
  "postern.user.locked_out": {
    meaning: "A user failed to log in too often and cannot for a while",
    codes: { PUL01W: "locked out" },
    fields: ["user", "addr.remote", "locked_until"],
  },
  "postern.user.unlocked": {
    meaning: "An administrator let a user who was locked out try again",
    codes: { PUL02I: "let in again" },
    fields: BY,
  },
  "postern.join_token.deleted": {
    meaning: "A join token was removed",
    codes: { PJT01I: "removed" },
    fields: BY,
  },
  "postern.control.denied": {
    meaning: "Policy said no to an administrative act; nothing was changed",
    codes: { PCT01E: "denied" },
    fields: REFUSED,
  },
  "postern.control.refused": {
    meaning: "An administrative act was allowed and could not be done as it was asked for; nothing was changed",
    codes: { PCT02E: "refused" },
    fields: REFUSED,
  },
  "postern.authority.rotated": {
    meaning: "A certificate authority came a step further in changing its key",
    codes: { PCA01I: "changed" },
    fields: ["user", "authority", "phase", "pin"],
  },
  "postern.sealing.rotated": {
    meaning: "Secrets at rest are sealed with another key from here on",
    codes: { PSK01I: "changed" },
    fields: ["user", "key_id"],
  },
  "postern.store.backup": {
    meaning: "A copy of the store was taken",
    codes: { PST01I: "taken" },
    fields: ["user", "store", "counts"],
  },
  "postern.store.restored": {
    meaning: "The store was replaced by a copy",
    codes: { PST02I: "replaced" },
    fields: ["user", "store", "counts"],
  },
  "postern.store.migrated": {
    meaning: "The store was brought to another version of its form",
    codes: { PST03I: "brought" },
    fields: ["store", "from_version", "to_version"],
  },
  "postern.store.tampered": {
    meaning: "Something in the store is not what was written there; it is not used",
    codes: { PST04E: "found" },
    fields: ["store", "resource"],
  },
} as const;
