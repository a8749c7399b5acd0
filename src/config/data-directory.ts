/** The data directory: where it is, made before anything is written to it, or refused with its place in the configuration. */

import { accessSync, constants } from "node:fs";
import { PosternError } from "../base/errors.ts";
import { makePrivateDirectory } from "../base/private-directory.ts";
import type { Config } from "./config.ts";
import { reasonOf } from "./problem.ts";

/** What is needed of a configuration to find its data directory. */
export type DataDirectoryConfig = Pick<Config, "positionOf"> & {
  readonly postern: Pick<Config["postern"], "data_dir">;
};

/** The data directory where nothing says another. */
export function defaultDataDirectory(env: Readonly<Record<string, string | undefined>>): string {
  const told = env["POSTERN_DATA_DIR"];
  return told === undefined || told === "" ? "/var/lib/postern" : told;
}

/** Makes sure that the data directory is there and can be written. @throws PosternError `data_dir_unusable` */
export function requireDataDirectory({ postern: { data_dir }, positionOf }: DataDirectoryConfig): void {
  try {
    makePrivateDirectory(data_dir);
    accessSync(data_dir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new PosternError("data_dir_unusable", `Cannot use data_dir "${data_dir}": ${whyNot(cause)}`, {
      cause,
      position: positionOf(["postern", "data_dir"]),
      hint: "make it a directory that this user can write, or set postern.data_dir to another",
    });
  }
}

function whyNot(cause: unknown): string {
  const code: unknown = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return WHY[String(code)] ?? reasonOf(cause);
}

const WHY: Readonly<Record<string, string>> = {
  EACCES: "this user may not write there",
  EPERM: "this user may not write there",
  EROFS: "its file system can only be read",
  EEXIST: "it is not a directory",
  ENOTDIR: "what stands above it is not a directory",
  ENOENT: "no directory can be made there",
};
