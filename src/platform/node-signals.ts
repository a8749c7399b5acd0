/** Being told to stop on Node. */

/** Resolves with the signal's name at the first SIGTERM or SIGINT; a second one ends the process at once, as it does anyway. */
export function onStopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve(signal));
  });
}
