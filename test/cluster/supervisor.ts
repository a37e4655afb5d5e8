// Holds a cluster: all its processes are children of this one, in the namespaces that lifetime.ts has made for it. When
// this process ends, so does every other in its process id namespace, and with the last one its network and its mounts.
import { type Cluster, startCluster } from "./cluster.ts";
import { type Request, serveControl } from "./control.ts";

let cluster: Cluster | undefined;

serveControl(carryOut, (request) => {
  if (request.ask === "up") process.exit(1);
});

async function carryOut(request: Request, say: (progress: string) => void): Promise<void> {
  switch (request.ask) {
    case "up":
      if (cluster !== undefined) throw new Error("a cluster is up already");
      cluster = await startCluster(request.plan, say).catch(leave);
      return;
    case "kill":
      return cluster?.kill(request.node);
    case "start":
      return cluster?.start(request.node);
    case "down":
      await cluster?.end();
      leave();
  }
}

/** A moment later, so that the asker is told. */
function leave(reason?: unknown): undefined {
  setTimeout(() => process.exit(reason === undefined ? 0 : 1), 100);
  if (reason !== undefined) throw reason;
}
