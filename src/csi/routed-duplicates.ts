import { parseVolumeId } from "../volume/id.ts";
import { type Router, ask, failureFrom } from "./routed-nodes.ts";

/** How often nodes are looked for that have come, in milliseconds. */
const lookEveryMs = 60_000;

/** Every so many looks all nodes are listed. */
const looksToAll = 60;

/**
 * So many looks at all nodes follow when one has come, the first at once: a volume that is being made is in no list
 * before it is finished (ListVolumes), there or elsewhere.
 */
const looksAfterComing = 6;

/** Longest wait for one node's list, in milliseconds. */
const patienceMs = 30_000;

type Names = ReadonlySet<string>;

/** A node's volumes, as they were listed at its address of then. */
interface Listed {
  readonly address: string | undefined;
  readonly names: Names;
}

/**
 * Looks for volumes of one name on more than one node: a node that could not be asked when its volume was made elsewhere
 * may bring a second one back. They are told of and counted, and never removed: nobody but a person knows which of them
 * has the data. All nodes are listed once an hour, and for some minutes when one has come, under a new address too: what
 * the others have may be newer than their lists. A node whose volumes cannot be listed is told of once, and asked at each
 * look.
 */
export class DuplicateWatch {
  readonly #router: Router;
  readonly #ended = new AbortController();
  readonly #listed = new Map<string, Listed>();
  /** Nodes that were called and gave no list. */
  readonly #skipped = new Set<string>();
  #duplicates: ReadonlyMap<string, readonly string[]> = new Map();
  #looks = 0;
  /** At all nodes. */
  #looksLeft = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(router: Router) {
    this.#router = router;
  }

  /** How many names had two volumes at the last look. */
  get count(): number {
    return this.#duplicates.size;
  }

  /** The next look comes after the one before has ended. */
  start(): void {
    this.#timer = setTimeout(
      () => void this.look().then(() => this.#ended.signal.aborted || this.start()),
      lookEveryMs,
    );
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#ended.abort();
  }

  /** Never fails: what cannot be listed now is listed at a later look. */
  async look(): Promise<void> {
    const isDue = this.#looks % looksToAll === 0;
    this.#looks += 1;
    const present = this.#router.directory.nodes().filter((node) => node.isReady && node.address !== undefined);
    const addresses = new Map(present.map((node) => [node.topologyValue, node.address]));
    for (const [node, { address }] of this.#listed) if (addresses.get(node) !== address) this.#listed.delete(node);
    for (const node of this.#skipped) if (!addresses.has(node)) this.#skipped.delete(node);
    const others = new Set(this.#listed.keys()).difference(this.#skipped);
    if (await this.#list([...addresses.keys()].filter((node) => !others.has(node)))) this.#looksLeft = looksAfterComing;
    if (isDue || this.#looksLeft > 0) await this.#list([...others]);
    this.#looksLeft = Math.max(0, this.#looksLeft - 1);
    // what was listed some time ago may have been removed since
    await this.#list([...new Set([...duplicatesIn(this.#listed).values()].flat())]);
    this.#tell(duplicatesIn(this.#listed));
  }

  /** One after the other: this is not urgent. @returns whether any has given its list */
  async #list(nodes: readonly string[]): Promise<boolean> {
    const call = { deadline: undefined, signal: this.#ended.signal };
    const request = { maxEntries: 0, startingToken: "" };
    let count = 0;
    for (const node of nodes) {
      const address = this.#router.directory.find(node)?.address;
      const outcome = await ask(this.#router, node, { rpc: "ListVolumes", request, patienceMs }, call);
      if (this.#ended.signal.aborted) return false;
      if (outcome.kind !== "answered") {
        this.#skip(node, failureFrom(node, outcome).message);
        continue;
      }
      this.#skipped.delete(node);
      const names = outcome.response.entries.flatMap(
        ({ volume }) => parseVolumeId(volume?.volumeId ?? "")?.logicalVolume ?? [],
      );
      this.#listed.set(node, { address, names: new Set(names) });
      count += 1;
    }
    return count > 0;
  }

  #skip(node: string, reason: string): void {
    if (this.#skipped.has(node)) return;
    this.#skipped.add(node);
    this.#router.log.warn({ node, reason }, "whether its volumes are on other nodes too is not known");
  }

  #tell(found: ReadonlyMap<string, readonly string[]>): void {
    for (const [volume, nodes] of found) {
      if (this.#duplicates.has(volume)) continue;
      this.#router.log.warn({ volume, nodes }, "a volume is on more than one node; remove all but the one in use");
    }
    this.#duplicates = found;
  }
}

/** Names that are on more than one node, with those nodes. */
function duplicatesIn(listed: ReadonlyMap<string, Listed>): ReadonlyMap<string, readonly string[]> {
  const nodesByName = new Map<string, string[]>();
  for (const [node, { names }] of listed) {
    for (const name of names) {
      const nodes = nodesByName.get(name);
      if (nodes === undefined) nodesByName.set(name, [node]);
      else nodes.push(node);
    }
  }
  return new Map([...nodesByName].filter(([, nodes]) => nodes.length > 1));
}
