import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import { objectKey, overlaysDirectory, parseManifests, readOverlay, variants } from "../../deploy/manifests.ts";
import { rendering } from "../../deploy/rendering.ts";
import { type Tools, buildKustomization, buildTools, lintChart, renderChart, valuesFile } from "../../deploy/tools.ts";

const kustomizeDirectory = path.dirname(overlaysDirectory);
const everything = path.join(import.meta.dirname, "everything.yaml");

let tools: Tools;

beforeAll(async () => {
  tools = await buildTools();
}, 1_200_000);

test("what is in git is what the chart renders (npm run deploy:render)", async () => {
  const files = await rendering(tools.helm);
  const entries = readdirSync(kustomizeDirectory, { recursive: true, withFileTypes: true });
  const committed = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(kustomizeDirectory, path.join(entry.parentPath, entry.name)));
  expect(committed.toSorted()).toEqual([...files.keys(), "base/namespace.yaml"].toSorted());
  for (const [file, text] of files) {
    expect([file, readFileSync(path.join(kustomizeDirectory, file), "utf8")]).toEqual([file, text]);
  }
});

test.each(variants)("kustomize makes of %s what the chart makes of its values, and the namespace", async (variant) => {
  const directory = path.join(overlaysDirectory, variant);
  const built = byKey(await buildKustomization(tools.kustomize, directory));
  expect(built).toEqual(Object.fromEntries(readOverlay(variant).map((object) => [objectKey(object), object])));
  const { "Namespace/lvm-local-csi": made, ...rest } = built;
  expect(made).toBeDefined();
  expect(rest).toEqual(byKey(await renderChart(tools.helm, ["--values", valuesFile(variant)])));
});

test.each([...variants.map(valuesFile), everything])("helm finds nothing wrong with %s", async (values) => {
  await expect(lintChart(tools.helm, ["--values", values])).resolves.toBeUndefined();
});

test("every value has its effect", async () => {
  const objects = byKey(await renderChart(tools.helm, ["--values", everything]));
  expect(Object.keys(objects).filter((key) => key.startsWith("Secret/"))).toEqual([]);
  expect(objects["DaemonSet/lvm-local-csi/lvm-local-csi-node"]).toMatchObject({
    spec: {
      updateStrategy: { rollingUpdate: { maxUnavailable: "10%" } },
      template: {
        spec: {
          imagePullSecrets: [{ name: "registry" }],
          nodeSelector: { "kubernetes.io/os": "linux", disk: "nvme" },
          containers: [
            {
              image: `registry.example/lvm-local-csi:1.2.3@sha256:${"0123456789abcdef".repeat(4)}`,
              args: expect.arrayContaining([
                "--volume-group=fast",
                "--volume-group=large",
                "--reserve=5%",
                "--kubelet-directory=/var/lib/k0s/kubelet",
                "--csi-endpoint=unix:///var/lib/k0s/kubelet/plugins/lvm.local.csi/csi.sock",
                "--remote-listen=[::]:19810",
              ]),
            },
          ],
        },
      },
    },
  });
  expect(objects["StorageClass/local-lvm"]).toMatchObject({
    metadata: { annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
    mountOptions: ["noatime"],
    parameters: { "csi.storage.k8s.io/fstype": "btrfs", layout: "striped", stripes: "2" },
  });
  expect(objects["PrometheusRule/lvm-local-csi/lvm-local-csi"]).toMatchObject({
    metadata: { labels: { release: "prometheus" } },
  });
  expect(JSON.stringify(objects["NetworkPolicy/lvm-local-csi/lvm-local-csi-node"])).toContain("monitoring");
});

test.each([
  ["mode=pair", "mode"],
  ["volumeGroup=vg0", "volumeGroup"],
  ["volumeGroups={}", "volumeGroups"],
  ["kubeletDirectory=var", "kubeletDirectory"],
  ["image.digest=sha256:12", "digest"],
  ["node.maxUnavailable=0", "maxUnavailable"],
  ["provisioner.retryIntervalMax=20", "retryIntervalMax"],
])("%s is refused", async (setting, named) => {
  await expect(renderChart(tools.helm, ["--set", setting])).rejects.toThrow(named);
});

function byKey(text: string): Record<string, unknown> {
  return Object.fromEntries(parseManifests(text).map((object) => [objectKey(object), object]));
}
