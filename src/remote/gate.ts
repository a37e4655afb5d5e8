import type { Socket } from "node:net";
import { type TLSSocket, type Server, createServer } from "node:tls";
import { identities } from "../identities.ts";
import type { Log } from "../log.ts";

/** A controller needs one round trip; whoever takes longer is hung up on. In milliseconds. */
const handshakeMs = 5000;

/**
 * Connections that have not shown whose they are. Above it the oldest gives way of the address with the most of them, so
 * that one machine or pod keeps nobody else out; who has as many addresses, and is fast enough, can.
 */
const mostStrangers = 64;

/** Refusals are told at most so often, in milliseconds. */
const tellEveryMs = 10_000;

/**
 * A TLS server that passes on only the connections of the controller: its certificate is signed by one of the
 * signers, is for clients (which the nodes' own is not), and carries the controller's name. Of any other connection not
 * one byte is read beyond the handshake. It serves nobody before it has been given a certificate.
 */
export function createGate(enter: (connection: TLSSocket) => void, log: Pick<Log, "warn">): Server {
  const gate = createServer({
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: handshakeMs,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["h2"],
  });
  const strangers = new Strangers(refusalLog(log));
  gate.on("connection", (socket: Socket) => strangers.add(socket));
  gate.on("tlsClientError", (error: Error, socket) => strangers.refuse(socket, error.message));
  gate.on("secureConnection", (socket) => {
    if (isController(socket)) {
      strangers.admit(socket);
      enter(socket);
    } else {
      strangers.refuse(socket, `the certificate is not for ${identities.controller}`);
    }
  });
  return gate;
}

function isController(socket: TLSSocket): boolean {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  return certificate?.checkHost(identities.controller, { subject: "never", wildcards: false }) !== undefined;
}

type Refused = (peer: string, reason: string) => void;

/** The connections of nobody knows whom, the oldest first. */
class Strangers {
  readonly #sockets = new Map<string, Socket>();
  readonly #refused: Refused;

  constructor(refused: Refused) {
    this.#refused = refused;
  }

  add(socket: Socket): void {
    const peer = peerOf(socket);
    this.#sockets.set(peer, socket);
    socket.once("close", () => {
      if (this.#sockets.get(peer) === socket) this.#end(peer, socket, "the handshake failed");
    });
    // what goes wrong on a connection ends that connection
    socket.on("error", () => undefined);
    if (this.#sockets.size > mostStrangers) this.#giveWay();
  }

  admit(socket: TLSSocket): void {
    this.#sockets.delete(peerOf(socket));
  }

  refuse(socket: TLSSocket, reason: string): void {
    this.#end(peerOf(socket), socket, reason);
  }

  #giveWay(): void {
    const groups = [...Map.groupBy(this.#sockets, ([peer]) => addressOf(peer)).values()];
    const [oldest] = groups.reduce((most, group) => (group.length > most.length ? group : most), []);
    if (oldest !== undefined) this.#end(...oldest, "too many at once");
  }

  #end(peer: string, socket: Socket, reason: string): void {
    this.#sockets.delete(peer);
    socket.destroy();
    this.#refused(peer, reason);
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

function addressOf(peer: string): string {
  return peer.slice(0, peer.indexOf(" "));
}

/** One line for many refusals: who knocks all day must not fill the log. */
function refusalLog(log: Pick<Log, "warn">): Refused {
  let count = 0;
  let toldAt = -Infinity;
  return (peer, reason) => {
    count += 1;
    if (performance.now() - toldAt < tellEveryMs) return;
    log.warn({ peer, reason, refused: count }, "refused a connection that is not the controller's");
    toldAt = performance.now();
    count = 0;
  };
}
