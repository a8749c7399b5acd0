/** Connections that come through a tunnel, on Node: TLS of the client's own ends here, and its certificate says who it is. */

import type { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { HttpService } from "./http-service.ts";
import type { AdmitTunnelled, TlsIdentity, TunnelledOptions, TunnelledService } from "./ports.ts";

const HANDSHAKE_MS = 10_000;
const MAX_CONNECTIONS = 10_000;

/** Serves connections until drained. */
export function serveTunnelledOnNode(admit: AdmitTunnelled, options: TunnelledOptions): TunnelledService {
  const service = new HttpService(options);
  // Node looks after late requests from when a server listens; this one never does.
  service.server.emit("listening");
  service.warm();
  let context = contextOf(options.identity);
  let open = 0;
  return {
    accept(stream, from) {
      if (open >= (options.maxConnections ?? MAX_CONNECTIONS)) {
        stream.destroy();
        return;
      }
      open++;
      stream.once("close", () => open--);
      void secured(stream, context, options.handshakeTimeout ?? HANDSHAKE_MS).then(async (socket) => {
        if (socket === undefined) return;
        // Without one there is nothing to say who it is.
        const certificate = socket.getPeerX509Certificate()?.raw as Buffer | undefined;
        const served = await admit(certificate, from).catch(() => undefined);
        if (served === undefined || socket.destroyed) socket.destroy();
        else service.accept(socket, served, from.address);
      });
    },
    show(identity) {
      context = contextOf(identity);
    },
    drain: (timeoutMs) => service.drain(timeoutMs),
  };
}

/** Undefined when no TLS comes of it; the stream has ended then. */
function secured(stream: Duplex, secureContext: SecureContext, timeoutMs: number): Promise<TLSSocket | undefined> {
  return new Promise((resolve) => {
    const socket = new TLSSocket(stream, {
      isServer: true,
      secureContext,
      requestCert: true,
      // TLS would say no more than that a certificate is refused; why is for the answer.
      rejectUnauthorized: false,
    });
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    const done = (result: TLSSocket | undefined): void => {
      clearTimeout(timer);
      resolve(result);
    };
    socket.on("error", () => socket.destroy());
    socket.once("close", () => done(undefined));
    socket.once("secure", () => done(socket));
  });
}

function contextOf({ chain, key, clientAuthorities }: TlsIdentity): SecureContext {
  return createSecureContext({ cert: chain, key: key.reveal(), ca: [...clientAuthorities], minVersion: "TLSv1.3" });
}
