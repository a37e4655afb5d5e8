import { parseAllDocuments, stringify } from "yaml";
import { type Variant, objectKey, parseManifests } from "./manifests.ts";
import { renderChart, valuesFile } from "./tools.ts";

/** An object that the chart has rendered. */
interface Rendered {
  /** Name of its template: "node.yaml". */
  readonly file: string;
  readonly key: string;
  /** With the template's comments. */
  readonly text: string;
}

const header = "# Rendered from deploy/chart by `npm run deploy:render`: change it there.\n";

/** All rendered files by their paths in kustomize/. Only namespace.yaml is written by hand. */
export async function rendering(helm: string): Promise<ReadonlyMap<string, string>> {
  const [cluster, singleNode] = await Promise.all([rendered(helm, "cluster"), rendered(helm, "single-node")]);
  const texts = new Map(singleNode.map(({ key, text }) => [key, text]));
  const common = new Map(cluster.filter(({ key, text }) => texts.get(key) === text).map((one) => [one.key, one]));
  return new Map([
    ...directory("base", ["namespace.yaml"], [...common.values()]),
    ...overlay("cluster", cluster),
    ...overlay("single-node", singleNode),
  ]);

  function overlay(variant: Variant, objects: readonly Rendered[]): ReadonlyMap<string, string> {
    const own = objects.filter(({ key }) => !common.has(key));
    return directory(`overlays/${variant}`, ["../../base"], own);
  }
}

/** A file for each template, and the kustomization that lists them after what is there already. */
function directory(
  name: string,
  resources: readonly string[],
  objects: readonly Rendered[],
): ReadonlyMap<string, string> {
  const byFile = [...Map.groupBy(objects, ({ file }) => file)].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const files = byFile.map(([file, parts]): [string, string] => [
    `${name}/${file}`,
    `${header}${parts.map((part) => part.text).join("---\n")}`,
  ]);
  const list = kustomization([...resources, ...byFile.map(([file]) => file)]);
  return new Map([...files, [`${name}/kustomization.yaml`, list]]);
}

function kustomization(resources: readonly string[]): string {
  const fields = { apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization", resources };
  return `${header}${stringify(fields)}`;
}

async function rendered(helm: string, variant: Variant): Promise<readonly Rendered[]> {
  const printed = await renderChart(helm, ["--values", valuesFile(variant)]);
  return printed.split(/^---\n/m).flatMap((part) => {
    const [, file] = /^# Source: [^/]+\/templates\/(\S+)\n/.exec(part) ?? [];
    const source = part.slice(part.indexOf("\n") + 1);
    const [manifest] = parseManifests(source);
    if (file === undefined || manifest === undefined) return [];
    const text = parseAllDocuments(source).map((document) =>
      document.toString({ lineWidth: 0, flowCollectionPadding: false }),
    );
    return [{ file, key: objectKey(manifest), text: text.join("") }];
  });
}
