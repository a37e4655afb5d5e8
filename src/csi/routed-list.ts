import { VolumeError } from "../errors.ts";
import type { KnownNode } from "../remote/node-directory.ts";
import { notNegative } from "./fields.ts";
import {
  type RequestOf,
  type ResponseOf,
  type Router,
  allNodes,
  ask,
  forEachNode,
  responseOf,
} from "./routed-nodes.ts";
import type { Call } from "./rpc.ts";

type Request = RequestOf<"ListVolumes">;
type Response = ResponseOf<"ListVolumes">;

/** Where a page begins: after `token` of the node's own list, then the nodes that follow it. */
interface Start {
  readonly node: string;
  readonly token: string;
}

/**
 * The volumes of all nodes, node by node. @throws VolumeError unavailable if a node cannot be asked: a list without its
 * volumes would say that they are gone; aborted for a token that is not the driver's
 */
export async function routedList(router: Router, request: Request, call: Call): Promise<Response> {
  const most = notNegative("max_entries", request.maxEntries);
  const start = decodeToken(request.startingToken);
  const nodes = allNodes(router).filter(({ topologyValue }) => start === undefined || topologyValue >= start.node);
  return most === 0 ? listAll(router, nodes, start, call) : listPage(router, nodes, { start, most }, call);
}

async function listAll(
  router: Router,
  nodes: readonly KnownNode[],
  start: Start | undefined,
  call: Call,
): Promise<Response> {
  const lists = await forEachNode(nodes, ({ topologyValue }) =>
    listOf(router, topologyValue, { maxEntries: 0, startingToken: tokenFor(topologyValue, start) }, call),
  );
  return { entries: lists.flatMap(({ entries }) => entries), nextToken: "" };
}

async function listPage(
  router: Router,
  nodes: readonly KnownNode[],
  { start, most }: { readonly start: Start | undefined; readonly most: number },
  call: Call,
): Promise<Response> {
  const entries: Response["entries"] = [];
  for (const { topologyValue: node } of nodes) {
    // a page that ends with a node's last volume is the last one, unless another node has more
    const room = most - entries.length;
    const list = await listOf(
      router,
      node,
      { maxEntries: Math.max(1, room), startingToken: tokenFor(node, start) },
      call,
    );
    if (room === 0 && list.entries.length > 0) return { entries, nextToken: encodeToken({ node, token: "" }) };
    entries.push(...list.entries);
    if (list.nextToken !== "") return { entries, nextToken: encodeToken({ node, token: list.nextToken }) };
  }
  return { entries, nextToken: "" };
}

async function listOf(router: Router, node: string, request: Request, call: Call): Promise<Response> {
  const outcome = await ask(router, node, { rpc: "ListVolumes", request }, call);
  // its volumes went with it
  if (outcome.kind === "unsent" && (await router.directory.isGone(node))) return { entries: [], nextToken: "" };
  return responseOf(node, outcome);
}

function tokenFor(node: string, start: Start | undefined): string {
  return start?.node === node ? start.token : "";
}

function encodeToken({ node, token }: Start): string {
  return Buffer.from(`${node} ${token}`).toString("base64url");
}

function decodeToken(text: string): Start | undefined {
  if (text === "") return undefined;
  const [, node, token] = /^([a-z0-9][-a-z0-9.]*) ([\w-]*)$/.exec(Buffer.from(text, "base64url").toString()) ?? [];
  if (node !== undefined && token !== undefined && encodeToken({ node, token }) === text) return { node, token };
  throw new VolumeError("aborted", "starting_token is not one of this driver's; list again without it");
}
