/** Loaded before Postern in a soak: tells the parent the size of the heap after a collection, and keeps nothing alive. */

process.on("message", (question: unknown) => {
  if (question !== "heap") return;
  globalThis.gc?.();
  process.send?.({ heapUsed: process.memoryUsage().heapUsed });
});
process.channel?.unref();
process.once("disconnect", () => process.exit());
