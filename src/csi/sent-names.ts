/**
 * To which nodes this process has sent a CreateVolume of a name, and has not been told since that they have no volume
 * of that name. Names are those of the logical volumes. It forgets nothing by itself: an entry has some hundred bytes, and
 * goes with DeleteVolume. Those of volumes that are retained, and of nodes that are gone, stay until the process ends.
 */
export class SentNames {
  readonly #nodes = new Map<string, Set<string>>();

  /** The nodes that may have a volume of the name. */
  nodes(name: string): readonly string[] {
    return [...(this.#nodes.get(name) ?? [])];
  }

  has(name: string, node: string): boolean {
    return this.#nodes.get(name)?.has(node) === true;
  }

  add(name: string, node: string): void {
    const nodes = this.#nodes.get(name);
    if (nodes === undefined) this.#nodes.set(name, new Set([node]));
    else nodes.add(node);
  }

  /** The node surely has no volume of the name. */
  remove(name: string, node: string): void {
    const nodes = this.#nodes.get(name);
    nodes?.delete(node);
    if (nodes?.size === 0) this.#nodes.delete(name);
  }
}
