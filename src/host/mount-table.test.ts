import { expect, test } from "@jest/globals";
import { mayHideMounts, parseMountTable, readMountTable } from "./mount-table.ts";

test("a line is taken apart", () => {
  const line = "36 35 253:3 / /data/kubelet/pods/x rw,noatime shared:1 - ext4 /dev/dm-3 rw,errors=continue\n";
  expect(parseMountTable(line)).toEqual([
    {
      id: 36,
      number: "253:3",
      root: "/",
      target: "/data/kubelet/pods/x",
      options: ["rw", "noatime"],
      type: "ext4",
      source: "/dev/dm-3",
      superOptions: ["rw", "errors=continue"],
    },
  ]);
});

test.each([
  ["no optional field", "36 35 0:5 /dm-3 /target rw - devtmpfs udev rw"],
  ["several optional fields", "36 35 0:5 /dm-3 /target rw shared:1 master:2 unbindable - devtmpfs udev rw"],
])("%s", (_, line) => {
  expect(parseMountTable(line)).toMatchObject([{ root: "/dm-3", type: "devtmpfs", source: "udev" }]);
});

test("escapes are undone, once, and bytes of one character put together", () => {
  const line = String.raw`36 35 0:5 /a\134040 /b\040c\011d\012e\134 rw - fuse\056x /dev/\303\251é rw,x=\054y`;
  expect(parseMountTable(line)).toMatchObject([
    {
      root: String.raw`/a\040`,
      target: "/b c\td\ne\\",
      type: "fuse.x",
      source: "/dev/éé",
      superOptions: ["rw", "x=,y"],
    },
  ]);
});

test("a source that is a hyphen is not taken for the separator", () => {
  expect(parseMountTable("36 35 0:5 / /- rw - tmpfs - rw")).toMatchObject([{ target: "/-", source: "-" }]);
});

test("lines stay in order, and an empty source is one", () => {
  const entries = parseMountTable("1 0 0:1 / / rw - tmpfs  rw\n2 1 0:2 / / rw - tmpfs none rw\n");
  expect(entries.map(({ id, source }) => [id, source])).toEqual([
    [1, ""],
    [2, "none"],
  ]);
});

test.each(["36 35 0:5 / /target rw shared:1", "36 35 0:5 / /target rw - ext4", "36"])("refuses %s", (line) => {
  expect(() => parseMountTable(line)).toThrow("cannot be understood");
});

test("this machine's table is read", () => {
  expect(readMountTable()).toContainEqual(expect.objectContaining({ target: "/proc", type: "proc" }));
});

test.each([
  ["4.18.0-553.el8_10.x86_64", true],
  ["5.7.19", true],
  ["5.8.0-rc1", false],
  ["5.10.0-28-amd64", false],
  ["6.1.176", false],
  ["what is this", true],
])("a kernel %s may hide mounts: %s", (release, expected) => {
  expect(mayHideMounts(release)).toBe(expected);
});
