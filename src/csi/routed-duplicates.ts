import { parseVolumeId } from "../volume/id.ts";
import { type Router, ask } from "./routed-nodes.ts";

/** How often nodes are looked for that have come, in milliseconds. */
const lookEveryMs = 60_000;

/** Every so many looks all nodes are listed. */
const looksToAll = 60;

/** Longest wait for one node's list, in milliseconds. */
const patienceMs = 30_000;

type Names = ReadonlySet<string>;

/**
 * Looks for volumes of one name on more than one node: a node that could not be asked when its volume was made elsewhere
 * may bring a second one back. They are told of and counted, and never removed: nobody but a person knows which of them
 * has the data. Only nodes that have come since the last look are asked, and all of them once an hour.
 */
export class DuplicateWatch {
  readonly #router: Router;
  readonly #ended = new AbortController();
  #names = new Map<string, Names>();
  #duplicates: ReadonlyMap<string, readonly string[]> = new Map();
  #looks = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(router: Router) {
    this.#router = router;
  }

  /** How many names had two volumes at the last look. */
  get count(): number {
    return this.#duplicates.size;
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), lookEveryMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#ended.abort();
  }

  /** Never fails: what cannot be listed now is listed at a later look. */
  async look(): Promise<void> {
    if (this.#looks % looksToAll === 0) this.#names.clear();
    this.#looks += 1;
    const present = this.#router.directory.nodes().filter((node) => node.isReady && node.address !== undefined);
    const values = present.map((node) => node.topologyValue);
    for (const node of this.#names.keys()) if (!values.includes(node)) this.#names.delete(node);
    await this.#list(values.filter((node) => !this.#names.has(node)));
    // what was listed some time ago may have been removed since
    await this.#list([...new Set([...duplicatesIn(this.#names).values()].flat())]);
    this.#tell(duplicatesIn(this.#names));
  }

  /** One after the other: this is not urgent. */
  async #list(nodes: readonly string[]): Promise<void> {
    const call = { deadline: undefined, signal: this.#ended.signal };
    const request = { maxEntries: 0, startingToken: "" };
    for (const node of nodes) {
      const outcome = await ask(this.#router, node, { rpc: "ListVolumes", request, patienceMs }, call);
      if (outcome.kind !== "answered") continue;
      const names = outcome.response.entries.flatMap(
        ({ volume }) => parseVolumeId(volume?.volumeId ?? "")?.logicalVolume ?? [],
      );
      this.#names.set(node, new Set(names));
    }
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
function duplicatesIn(names: ReadonlyMap<string, Names>): ReadonlyMap<string, readonly string[]> {
  const nodesByName = new Map<string, string[]>();
  for (const [node, theirs] of names) {
    for (const name of theirs) {
      const nodes = nodesByName.get(name);
      if (nodes === undefined) nodesByName.set(name, [node]);
      else nodes.push(node);
    }
  }
  return new Map([...nodesByName].filter(([, nodes]) => nodes.length > 1));
}
