/** Routes of the API: one path with the one method that it knows. */

import type { Hono } from "hono";
import { PosternError } from "../base/errors.ts";
import type { Connected } from "./callers.ts";

/** What whoever serves the app says of each request. */
export interface ApiBindings {
  /** What is known of its connection. */
  readonly connected: Connected;
  /** Whether it came where there are no pages. */
  readonly isPageless?: boolean;
}

/** The app. */
export type Api = Hono<{ Bindings: ApiBindings }>;

/** One path with the one method that it knows. */
export function only(
  api: Api,
  method: "GET" | "POST",
  path: string,
  respond: (request: Request, connected: Connected) => Promise<Response>,
): void {
  api.all(path, async (context) => {
    if (context.req.method !== method)
      throw new PosternError("method_not_allowed", `Cannot answer: this path knows ${method} only`);
    return await respond(context.req.raw, context.env.connected);
  });
}
