import { expect, test } from "@jest/globals";
import { parseNodeConfig, topologyValue } from "./config.ts";
import { UsageError } from "./flags.ts";

const flags = ["--csi-endpoint", "unix:///run/csi.sock", "--node-name", "n1", "--volume-group", "vg0"];

test("defaults are filled in", () => {
  expect(parseNodeConfig(flags, {})).toEqual({
    socketPath: "/run/csi.sock",
    nodeName: "n1",
    volumeGroups: ["vg0"],
    reserve: { bytes: 0 },
    kubeletDirectory: "/var/lib/kubelet",
    lockDirectory: "/run/lock/lvm",
    backupDirectory: undefined,
    remoteListen: undefined,
    tlsDirectory: undefined,
    registrationSocket: undefined,
    httpListen: undefined,
    logLevel: "info",
  });
});

test("the environment stands in for the flags that a Pod sets there", () => {
  const config = parseNodeConfig(["--volume-group=a", "--volume-group=b", "--reserve=5%"], {
    CSI_ENDPOINT: "unix:///run/csi.sock",
    NODE_NAME: "n1",
  });
  expect(config).toMatchObject({
    socketPath: "/run/csi.sock",
    nodeName: "n1",
    volumeGroups: ["a", "b"],
    reserve: { percent: 5 },
  });
});

test("one message names every problem", () => {
  const args = [
    "--volume-group",
    "-bad",
    "--reserve=half",
    "--colour=red",
    "--log-level=loud",
    "--kubelet-directory=var",
    "x",
  ];
  const problems = thrown(() => parseNodeConfig(args, {})).message.split("\n");
  expect(problems).toEqual([
    expect.stringContaining("--colour"),
    expect.stringContaining('"x"'),
    expect.stringContaining("--csi-endpoint: missing"),
    expect.stringContaining("--node-name: missing"),
    expect.stringContaining('--volume-group: "-bad"'),
    expect.stringContaining("--reserve"),
    expect.stringContaining("--kubelet-directory"),
    expect.stringContaining("--log-level"),
  ]);
});

test.each([
  [["--csi-endpoint", "tcp://0.0.0.0:1"], "--csi-endpoint"],
  [["--csi-endpoint", `unix:///${"x".repeat(120)}`], "--csi-endpoint"],
  [["--volume-group", ".."], "--volume-group"],
  [["--volume-group", "vg0"], "twice"],
  [["--volume-group", "v".repeat(90)], "volume ids would exceed"],
  [["--node-name", "N 1"], "--node-name"],
  [["--reserve", "100%"], "--reserve"],
  [["--reserve"], "--reserve: needs a value"],
  [["--http-listen", "9810"], "--http-listen"],
  [["--http-listen", "::1:9810"], "--http-listen"],
  [["--http-listen", ":65536"], "--http-listen"],
  [["--remote-listen", ":9810"], "--tls-directory: missing"],
  [["--registration-socket", "reg.sock"], "--registration-socket"],
  [["--registration-socket", `/${"x".repeat(120)}`], "--registration-socket"],
])("%j is refused", (more, problem) => {
  expect(thrown(() => parseNodeConfig([...flags, ...more], {})).message).toContain(problem);
});

test.each([
  ["0.0.0.0:9810", { host: "0.0.0.0", port: 9810 }],
  ["[::1]:1", { host: "::1", port: 1 }],
  [":65535", { host: "::", port: 65_535 }],
  ["localhost:80", { host: "localhost", port: 80 }],
])("%s is where to listen", (text, address) => {
  expect(parseNodeConfig([...flags, `--http-listen=${text}`], {}).httpListen).toEqual(address);
});

test("a node name that is too long for a label value becomes a digest", () => {
  expect(topologyValue("n1.example")).toBe("n1.example");
  expect(topologyValue("n".repeat(63))).toBe("n".repeat(63));
  expect(topologyValue("n".repeat(64))).toMatch(/^n-[0-9a-f]{24}$/);
});

function thrown(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    if (error instanceof UsageError) return error;
  }
  throw new Error("expected a UsageError");
}
