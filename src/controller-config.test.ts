import { expect, test } from "@jest/globals";
import { parseControllerConfig } from "./controller-config.ts";

const flags = ["--csi-endpoint=unix:///csi/csi.sock", "--tls-directory=/tls"];

test("a controller in a cluster", () => {
  expect(parseControllerConfig(flags, { POD_NAMESPACE: "storage" })).toEqual({
    socketPath: "/csi/csi.sock",
    tlsDirectory: "/tls",
    nodesFile: undefined,
    namespace: "storage",
    nodeSelector: "app.kubernetes.io/name=lvm-local-csi,app.kubernetes.io/component=node",
    nodePort: 9810,
    httpListen: undefined,
    logLevel: "info",
  });
});

test("with a list of the nodes no namespace is needed", () => {
  const config = parseControllerConfig([...flags, "--nodes=/etc/nodes.json", "--node-port=1"], {});
  expect(config).toMatchObject({ nodesFile: "/etc/nodes.json", namespace: "", nodePort: 1 });
});

test("one message names every problem", () => {
  const args = ["--nodes=nodes.json", "--node-port=0", "--volume-group=vg0", "--http-listen=x", "--log-level=loud"];
  expect(() => parseControllerConfig(args, {})).toThrow(
    /--volume-group: unknown.*--nodes.*--csi-endpoint: missing.*--node-port.*--http-listen.*--log-level.*--tls-directory/s,
  );
  expect(() => parseControllerConfig(flags, { POD_NAMESPACE: "No" })).toThrow(/--namespace: "No"/);
  expect(() => parseControllerConfig(flags, {})).toThrow("--namespace: missing");
});
