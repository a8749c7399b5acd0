/** Who may have a connection to a port on Node: so many in all, and so many of one address. */

import type { Socket } from "node:net";
import { networkOf } from "../base/network.ts";
import type { TurnedAway } from "./ports.ts";

export interface PlacesOptions {
  readonly most: number;
  readonly mostPerAddress: number;
  readonly onTurnedAway: ((address: string, why: TurnedAway) => void) | undefined;
}

/** The places of one port. */
export class Places {
  readonly #options: PlacesOptions;
  /** Those too that have not got as far as HTTP. */
  readonly #held = new Map<string, Socket>();
  /** Those in which TLS has not been agreed upon, the oldest first. */
  readonly #unproven = new Map<string, Socket>();
  readonly #perAddress = new Map<string, number>();

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  get sockets(): Iterable<Socket> {
    return this.#held.values();
  }

  /** Takes a connection, or ends it. When there is no place left, who is the longest at shaking hands gives up theirs. */
  take(socket: Socket): void {
    const { most, mostPerAddress, onTurnedAway } = this.#options;
    const address = socket.remoteAddress ?? "";
    const network = networkOf(address);
    const held = this.#perAddress.get(network) ?? 0;
    if (held >= mostPerAddress) {
      socket.destroy();
      onTurnedAway?.(address, "address");
      return;
    }
    if (this.#held.size >= most) {
      onTurnedAway?.(address, "all");
      const [oldest] = this.#unproven;
      if (oldest === undefined) {
        socket.destroy();
        return;
      }
      this.#forget(oldest[0]);
      oldest[1].destroy();
    }
    const name = nameOf(socket);
    this.#perAddress.set(network, held + 1);
    this.#held.set(name, socket);
    this.#unproven.set(name, socket);
    socket.once("close", () => {
      if (this.#held.get(name) === socket) this.#forget(name);
      const left = (this.#perAddress.get(network) ?? 1) - 1;
      if (left === 0) this.#perAddress.delete(network);
      else this.#perAddress.set(network, left);
    });
  }

  /** TLS has been agreed upon on it. */
  prove(socket: Socket): void {
    this.#unproven.delete(nameOf(socket));
  }

  #forget(name: string): void {
    this.#held.delete(name);
    this.#unproven.delete(name);
  }
}

/** The socket of TLS is another object than that of its connection. */
function nameOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
