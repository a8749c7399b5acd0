/** What `postern configure db` takes: one table that the parser, its help, completion, the reference page and the file read. */

import type { DocumentPath } from "../../identity/problem.ts";

/** What the command line gave, by the flag's name as the parser spells it. */
export interface AgentOptions {
  readonly name: string;
  readonly accountId: string;
  readonly protocol: string;
  readonly region?: string;
  readonly uri?: string;
  readonly labels?: string;
  readonly assumeRoleArn?: string;
  readonly externalId?: string;
  readonly proxy?: string;
  readonly token?: string;
  readonly caPin?: readonly string[];
  readonly user?: string;
  readonly dbUser?: string;
  readonly listen?: string;
  readonly resources?: string;
  readonly nodename?: string;
  readonly dataDir?: string;
}

/** One flag. */
export interface AgentFlag {
  readonly flag: `--${string} <${string}>`;
  readonly meaning: string;
  /** Where its value stands in the file. */
  readonly path: DocumentPath;
  readonly required?: true;
  /** May be given more than once. */
  readonly repeated?: true;
  /** What it takes, where that is a closed list; the first when it is not given. */
  readonly choices?: readonly [string, ...string[]];
}

const database = (...path: readonly string[]): DocumentPath => ["db_service", "databases", 0, ...path];
const listener = (key: string): DocumentPath => ["db_service", "listeners", 0, key];

/** Every flag, in the order of the help. */
export const AGENT_FLAGS: Readonly<Record<keyof AgentOptions, AgentFlag>> = {
  name: {
    flag: "--name <name>",
    meaning: "what users call the database",
    path: database("name"),
    required: true,
  },
  region: {
    flag: "--region <region>",
    meaning: "AWS region of its tables; may be left out when --uri names it",
    path: database("aws", "region"),
  },
  accountId: {
    flag: "--account-id <account>",
    meaning: "AWS account of its tables, 12 digits",
    path: database("aws", "account_id"),
    required: true,
  },
  proxy: {
    flag: "--proxy <host:port>",
    meaning: "agent: the cluster's proxy_service, where it dials",
    path: ["postern", "proxy_server"],
  },
  token: {
    flag: "--token <path>",
    meaning: "agent: the absolute path of the file that holds the join token, or the token itself",
    path: ["postern", "auth_token"],
  },
  caPin: {
    flag: "--ca-pin <pin>",
    meaning: "agent: pin of the cluster's authority, as postern ctl status prints it; may be repeated",
    path: ["postern", "ca_pin"],
    repeated: true,
  },
  user: {
    flag: "--user <user>",
    meaning: "standalone: who speaks on the listener of this machine; goes with --db-user",
    path: listener("user"),
  },
  dbUser: {
    flag: "--db-user <role>",
    meaning: "standalone: the AWS role that the listener assumes; goes with --user",
    path: listener("db_user"),
  },
  listen: {
    flag: "--listen <host:port>",
    meaning: "standalone: the listener's address (default: 127.0.0.1:8000)",
    path: listener("address"),
  },
  resources: {
    flag: "--resources <dir>",
    meaning: "standalone: the directory of role and user documents (default: ./resources, beside the file)",
    path: ["postern", "resources"],
  },
  protocol: {
    flag: "--protocol <protocol>",
    meaning: "what the database speaks",
    path: database("protocol"),
    choices: ["dynamodb"],
  },
  uri: {
    flag: "--uri <endpoint>",
    meaning: "its endpoint, such as that of a VPC endpoint; absent: the region's own",
    path: database("uri"),
  },
  labels: {
    flag: "--labels <key=value,…>",
    meaning: "labels that roles choose databases by, such as env=dev,team=payments",
    path: database("static_labels"),
  },
  assumeRoleArn: {
    flag: "--assume-role-arn <arn>",
    meaning: "AWS role to assume before the user's, such as one of another account",
    path: database("aws", "assume_role_arn"),
  },
  externalId: {
    flag: "--external-id <id>",
    meaning: "external id that trust policies ask for",
    path: database("aws", "external_id"),
  },
  nodename: {
    flag: "--nodename <name>",
    meaning: "name of this machine in events; absent: its host name when it starts",
    path: ["postern", "nodename"],
  },
  dataDir: {
    flag: "--data-dir <dir>",
    meaning: "where state and audit log are kept (default: /var/lib/postern)",
    path: ["postern", "data_dir"],
  },
};
