/** Not an error: whoever was dialled has a tunnel of this agent already. */
export class TunnelHeld extends Error {
  /** Which proxy it is. */
  readonly proxy: string;

  constructor(proxy: string) {
    super("there is a tunnel to this proxy already");
    this.proxy = proxy;
  }
}
