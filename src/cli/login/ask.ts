/** Asking a person for what must not be seen: on the terminal without echo, or from standard input. */

import { Buffer } from "node:buffer";
import type { ReadStream } from "node:tty";
import { Secret } from "../../base/secret.ts";
import { CommandError } from "../command-error.ts";

const MAX_BYTES = 4096;

/** Where answers come from. */
export type Input = NodeJS.ReadableStream & Partial<Pick<ReadStream, "isTTY" | "setRawMode">>;

/** All of an input as one line, without its end; `hint` is for a terminal. @throws CommandError when it is one, too long or empty */
export async function secretFrom(input: Input, hint: string, what = "a password"): Promise<Secret> {
  if (input.isTTY === true) {
    throw new CommandError(2, `Cannot read ${what}: standard input is a terminal, which would show it`, {
      hint,
    });
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new CommandError(2, `Cannot read ${what}: there are more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
  if (text === "") throw new CommandError(2, `Cannot read ${what}: standard input is empty`);
  return new Secret(text);
}

/** Asks on the terminal and shows nothing of the answer. @throws CommandError without a terminal, or when given up */
export async function askSecret(
  input: Input,
  prompt: string,
  hint: string,
  say: (text: string) => void,
): Promise<Secret> {
  if (input.isTTY !== true || input.setRawMode === undefined) {
    throw new CommandError(2, `Cannot ask "${prompt}": standard input is no terminal`, { hint });
  }
  // Before it is asked: who answers at once, as a program does, would see what they type.
  input.setRawMode(true);
  try {
    say(`${prompt}: `);
    return new Secret(await lineOf(input));
  } finally {
    // Whatever happens: a terminal without echo is no use to anybody.
    input.setRawMode(false);
    input.pause();
    say("\n");
  }
}

/** Asks for a password that nobody has yet, twice: what was mistyped could not be read off the screen. @throws CommandError as `askSecret()`, and when the two differ */
export async function newPassword(input: Input, say: (text: string) => void): Promise<Secret> {
  const hint = "hand it in: --password-stdin < file";
  const first = await askSecret(input, "New password", hint, say);
  const second = await askSecret(input, "The same again", hint, say);
  if (first.reveal() !== second.reveal())
    throw new CommandError(1, "Cannot set the password: the two were not the same");
  return first;
}

function lineOf(input: Input): Promise<string> {
  return new Promise((resolve, reject) => {
    const decoder = new TextDecoder();
    let line = "";
    const done = (finish: () => void): void => {
      input.removeListener("data", take);
      input.removeListener("end", giveUp);
      finish();
    };
    const giveUp = (): void => done(() => reject(new CommandError(1, "Cannot go on: there was no answer")));
    const take = (chunk: Buffer | string): void => {
      for (const char of typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true })) {
        if (char === "\r" || char === "\n") return done(() => resolve(line));
        // Control-C, and control-D on an empty line.
        if (char === "\u0003" || (char === "\u0004" && line === "")) return giveUp();
        if (char === "\u007f" || char === "\b") line = [...line].slice(0, -1).join("");
        else if (char === "\u0015") line = "";
        else if (char >= " " && line.length < MAX_BYTES) line += char;
      }
    };
    input.on("data", take);
    input.once("end", giveUp);
    input.resume();
  });
}
