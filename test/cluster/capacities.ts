import { kubectl } from "./inside.ts";

/** A CSIStorageCapacity (Kubernetes API reference, storage.k8s.io/v1), as far as tests read it. */
interface Capacity {
  readonly storageClassName: string;
  readonly capacity?: string;
  readonly nodeTopology: { readonly matchLabels: Readonly<Record<string, string>> };
}

/**
 * The room of each node as the scheduler is told it for that class, in bytes, by the node's name.
 * @throws CommandError
 */
export async function knownRoom(storageClass: string): Promise<ReadonlyMap<string, number>> {
  const printed = await kubectl(["get", "csistoragecapacities", "--all-namespaces", "--output=json"]);
  const { items } = JSON.parse(printed) as { readonly items: readonly Capacity[] };
  const ofClass = items.filter(({ storageClassName }) => storageClassName === storageClass);
  return new Map(
    ofClass.flatMap(({ nodeTopology, capacity }) =>
      Object.values(nodeTopology.matchLabels).map((node) => [node, bytesOf(capacity ?? "")] as const),
    ),
  );
}

/** Of a quantity as Kubernetes writes it: "1044Mi". */
function bytesOf(quantity: string): number {
  const [, number, unit = ""] = /^(\d+)([KMGT]i)?$/.exec(quantity) ?? [];
  return Number(number) * 1024 ** ["", "Ki", "Mi", "Gi", "Ti"].indexOf(unit);
}
