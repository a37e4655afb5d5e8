import { createServer, type Socket, connect } from "node:net";
import { createInterface } from "node:readline";
import type { Plan } from "./cluster.ts";
import { controlSocket } from "./paths.ts";

/** What the supervisor of a cluster is asked. */
export type Request =
  | { readonly ask: "up"; readonly plan: Plan }
  | { readonly ask: "kill" | "start"; readonly node: string }
  | { readonly ask: "down" };

/** A line of its answer; the last one is not of the first kind. */
type Answer = { readonly progress: string } | { readonly done: true } | { readonly failed: string };

/**
 * Answers requests until the process ends.
 * @param gone - the asker went away before its answer was complete
 */
export function serveControl(
  carryOut: (request: Request, say: (progress: string) => void) => Promise<void>,
  gone: (request: Request) => void,
): void {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    void answer(socket, carryOut, gone);
  });
  server.listen(controlSocket);
}

async function answer(
  socket: Socket,
  carryOut: (request: Request, say: (progress: string) => void) => Promise<void>,
  gone: (request: Request) => void,
): Promise<void> {
  const send = (line: Answer): boolean => socket.write(`${JSON.stringify(line)}\n`);
  const request = await new Promise<Request>((resolve) => {
    createInterface(socket).once("line", (line) => resolve(JSON.parse(line) as Request));
  });
  let isComplete = false;
  socket.once("close", () => {
    if (!isComplete) gone(request);
  });
  try {
    await carryOut(request, (progress) => send({ progress }));
    isComplete = true;
    send({ done: true });
  } catch (error) {
    isComplete = true;
    send({ failed: error instanceof Error ? error.message : String(error) });
  }
  socket.end();
}

/**
 * Asks the supervisor of the cluster that is up.
 * @throws Error when none is up, when it goes away, or with its reason for not doing what it was asked
 */
export async function ask(request: Request, say: (progress: string) => void = () => {}): Promise<void> {
  const socket = connect(controlSocket);
  await new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", () => reject(new Error("no cluster is up: npm run cluster -- up")));
  });
  socket.write(`${JSON.stringify(request)}\n`);
  for await (const line of createInterface(socket)) {
    const received = JSON.parse(line) as Answer;
    if ("progress" in received) say(received.progress);
    else if ("failed" in received) throw new Error(received.failed);
    else return;
  }
  throw new Error("the cluster's supervisor went away");
}

/** Whether a cluster is up. */
export function isUp(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(controlSocket);
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}
