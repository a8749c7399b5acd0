/** Reads the CPU profile that Node writes at its end: which stacks were seen, and how often, between two moments. */

/** A frame as V8 writes it. */
export interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  /** Of the function's first line, from zero; -1 where there is none. */
  readonly lineNumber: number;
}

/** As much of a .cpuprofile as is read. Times are microseconds on the clock of `process.hrtime`. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: CallFrame;
    readonly children?: readonly number[];
  }[];
  readonly startTime: number;
  /** The node on top of the stack at each sample. */
  readonly samples: readonly number[];
  /** From the sample before. */
  readonly timeDeltas: readonly number[];
}

/** A stack, the outermost frame first, without V8's root. */
export interface Stack {
  readonly frames: readonly CallFrame[];
  readonly count: number;
}

export interface Sampled {
  readonly stacks: readonly Stack[];
  /** Samples in which V8 took the thread for idle. */
  readonly idle: number;
}

/**
 * The samples between two moments. They are counted and not weighed by the time between them: a thread that has lost its
 * core is sampled once when it gets it back, and must not pay for the time that another program had.
 *
 * @throws Error when there is none
 */
export function samplesBetween(profile: CpuProfile, from: number, to: number): Sampled {
  const counts = new Map<number, number>();
  let at = profile.startTime;
  for (const [index, node] of profile.samples.entries()) {
    at += profile.timeDeltas[index] ?? 0;
    if (at >= from && at <= to) counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  if (counts.size === 0) throw new Error("The profile has no sample of the time under load");
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const stacks: Stack[] = [];
  let idle = 0;
  for (const [top, count] of counts) {
    const frames: CallFrame[] = [];
    for (let id: number | undefined = top; id !== undefined; id = parents.get(id)) {
      const frame = nodes.get(id)?.callFrame;
      if (frame !== undefined && frame.functionName !== "(root)") frames.push(frame);
    }
    if (frames[0]?.functionName === "(idle)") idle += count;
    else if (frames.length > 0) stacks.push({ frames: frames.reverse(), count });
  }
  return { stacks, idle };
}
