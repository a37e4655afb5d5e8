import { expect, test } from "@jest/globals";
import { formatKubeletPath, parseKubeletPath } from "./kubelet-path.ts";

const directory = { given: "/var/lib/kubelet", resolved: "/data/kubelet" };

test.each([
  ["/var/lib/kubelet/pods/p/mount", ["pods", "p", "mount"]],
  ["/data/kubelet/pods/p/mount", ["pods", "p", "mount"]],
  ["//var//lib/./kubelet/pods/", ["pods"]],
  ["/var/lib/kubelet/...", ["..."]],
])("%s lies below the kubelet directory", (path, components) => {
  expect(parseKubeletPath(directory, path)).toEqual({ root: "/data/kubelet", components });
});

test.each([
  "",
  "/",
  "some/path",
  "var/lib/kubelet/pods",
  "/var/lib/kubelet",
  "/var/lib/kubelet/",
  "/var/lib/kubelet/.",
  "/var/lib/kubelet/..",
  "/var/lib/kubelet/pods/../../../etc",
  "/var/lib/kubelet/pods/..",
  "/var/lib/kubelet2/pods",
  "/var/lib/kube",
  "/etc/passwd",
  "/data/var/lib/kubelet/pods",
])('"%s" does not', (path) => {
  expect(() => parseKubeletPath(directory, path)).toThrow(expect.objectContaining({ code: "EXDEV" }));
});

test("a NUL, at which the kernel would stop reading, is refused", () => {
  const path = "/var/lib/kubelet/pods\0/x";
  expect(() => parseKubeletPath(directory, path)).toThrow(expect.objectContaining({ code: "EINVAL" }));
});

test("a path is shown as the one that is walked", () => {
  expect(formatKubeletPath(parseKubeletPath(directory, "/var/lib/kubelet/pods//p"))).toBe("/data/kubelet/pods/p");
});
