import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type TLSSocket } from "node:tls";
import { isSignedBy } from "./pair.ts";
import { type Leaf, parseLeaf } from "./state.ts";

type Data = Readonly<Record<string, string>>;

/** Whether a controller and a node with these files understand one another at a time, by the rules of RFC 5280. */
export function wouldAgree(controller: Data, node: Data, at: Date): boolean {
  const [one, other] = [leafOf(controller), leafOf(node)];
  return accepts(one.bundle, other.pair.certificate, at) && accepts(other.bundle, one.pair.certificate, at);
}

/** A real TLS 1.3 handshake, now, with a byte there and back: so each has accepted the other's certificate. */
export async function shakeHands(controller: Data, node: Data): Promise<string> {
  const server = createServer(
    { ...tlsOptions(node), requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" },
    (socket) => socket.pipe(socket),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const socket = connect({
    ...{ ...tlsOptions(controller), host: "127.0.0.1", port: address.port, minVersion: "TLSv1.3" },
    servername: "node.lvm.local.csi",
  });
  try {
    socket.write("x");
    await Promise.race([once(socket, "data"), closed(socket)]);
    return socket.getProtocol() ?? "";
  } finally {
    socket.destroy();
    server.close();
  }
}

/** Of a connection that the other side ends, sometimes without a word. */
async function closed(socket: TLSSocket): Promise<never> {
  await once(socket, "close");
  throw new Error("the connection was closed");
}

function tlsOptions(data: Data): { cert: string; key: string; ca: string } {
  return { cert: data["tls.crt"] ?? "", key: data["tls.key"] ?? "", ca: data["ca.crt"] ?? "" };
}

const parsed = new WeakMap<Data, Leaf>();

function leafOf(data: Data): Leaf {
  const leaf = parsed.get(data) ?? parseLeaf({ namespace: "storage", name: "leaf" }, data);
  if (leaf === undefined) throw new Error("no certificate");
  parsed.set(data, leaf);
  return leaf;
}

function accepts(bundle: readonly X509Certificate[], certificate: X509Certificate, at: Date): boolean {
  return bundle.some((ca) => isSignedBy(certificate, ca) && isValid(ca, at) && isValid(certificate, at));
}

function isValid({ validFromDate, validToDate }: X509Certificate, at: Date): boolean {
  return validFromDate <= at && at <= validToDate;
}
