import { defineConfig } from "oxlint";

/** What only the roles of their own import. They import one another's types, and nothing else. */
const leaves = ["kubernetes", "certificates"];
const driver = ["csi", "remote", "monitor", "volume", "lvm", "filesystem", "host"];

/** What each layer may not import: the layers above and beside it. docs/architecture.md has the picture. */
const layers = [
  { directory: "csi", banned: ["lvm", "filesystem", "host", "monitor", ...leaves], packages: ["@grpc/*"] },
  {
    directory: "remote",
    banned: ["csi", "volume", "lvm", "filesystem", "host", "monitor", ...leaves],
    packages: ["@grpc/*"],
  },
  { directory: "monitor", banned: ["csi", "remote", "filesystem", "host", ...leaves], packages: ["prom-client"] },
  { directory: "volume", banned: ["csi", "remote", "monitor", ...leaves], packages: [] },
  { directory: "lvm", banned: ["csi", "remote", "volume", "filesystem", "monitor", ...leaves], packages: [] },
  { directory: "filesystem", banned: ["csi", "remote", "volume", "lvm", "monitor", ...leaves], packages: [] },
  {
    directory: "host",
    banned: ["csi", "remote", "volume", "lvm", "filesystem", "monitor", ...leaves],
    packages: ["execa", "koffi"],
  },
  { directory: "kubernetes", banned: [...driver, "certificates"], packages: ["@kubernetes/*"] },
  { directory: "certificates", banned: [...driver, "kubernetes"], packages: ["@peculiar/*", "reflect-metadata"] },
];

/** Each of these has one home: a layer above, or src/log.ts. */
const homedPackages = [...new Set([...layers.flatMap(({ packages }) => packages), "pino"])];

const entryPoints = { group: ["**/main.ts", "**/*-role.ts"], message: "nothing imports an entry point" };

/** A later override replaces an earlier one, so each lists everything that is banned there. */
const layerOverrides = layers.map(({ directory, banned, packages }) => ({
  files: [`src/${directory}/**/*.ts`],
  rules: restrictImports([
    {
      group: banned.map((layer) => `**/${layer}/**`),
      allowTypeImports: leaves.includes(directory),
      message: `src/${directory} imports downward only`,
    },
    entryPoints,
    homedElsewhere(packages),
  ]),
}));

const importableByAll = [
  {
    group: ["./**", "../**", "!./flags.ts"],
    allowTypeImports: true,
    message: "importable by all, so it imports nothing of ours but types",
  },
];

export default defineConfig({
  plugins: ["typescript", "unicorn", "oxc", "import", "promise", "node", "jest"],
  categories: { correctness: "error", suspicious: "error", perf: "error" },
  options: { typeAware: true, denyWarnings: true, reportUnusedDisableDirectives: "error" },
  env: { node: true, es2024: true },
  ignorePatterns: ["src/csi/generated/**"],
  rules: {
    complexity: ["error", 10],
    "max-depth": ["error", 3],
    "max-lines": ["error", 250],
    "max-lines-per-function": ["error", 50],
    "max-params": ["error", 4],
    "import/no-cycle": "error",
    "import/no-default-export": "error",
    "oxc/no-barrel-file": ["error", { threshold: 0 }],
    "typescript/no-explicit-any": "error",
    "typescript/no-floating-promises": "error",
    "typescript/no-misused-promises": "error",
    "typescript/switch-exhaustiveness-check": "error",
    "jest/expect-expect": ["error", { assertFunctionNames: ["expect", "expect*", "fc.assert"] }],
    "jest/no-standalone-expect": [
      "error",
      { additionalTestBlockFunctions: ["beforeAll", "beforeEach", "afterAll", "afterEach"] },
    ],
    // noImplicitReturns knows which switch is exhaustive; this rule does not
    "consistent-return": "off",
    // `path.join` reads better than a bare `join`
    "import/no-named-as-default-member": "off",
    // steps on one disk happen one after the other
    "no-await-in-loop": "off",
    // what TypeScript wants of an unused parameter
    "no-underscore-dangle": "off",
    // `...["--name", value]` keeps a flag and its value on one line
    "unicorn/no-useless-spread": "off",
    // about windows, not worker threads
    "unicorn/require-post-message-target-origin": "off",
  },
  overrides: [
    { files: ["src/*.ts"], rules: restrictImports([homedElsewhere([])]) },
    {
      files: ["src/errors.ts", "src/flags.ts", "src/identities.ts", "src/config.ts", "src/*-config.ts"],
      rules: restrictImports([...importableByAll, homedElsewhere([])]),
    },
    { files: ["src/log.ts"], rules: restrictImports([...importableByAll, homedElsewhere(["pino"])]) },
    ...layerOverrides,
    {
      files: ["**/*.test.ts", "test/**/*.ts", "csi-sanity/**/*.ts"],
      rules: {
        "max-lines-per-function": ["error", 100],
        "no-restricted-imports": "off",
        // what a test reads, it has written
        "typescript/no-unsafe-type-assertion": "off",
      },
    },
    { files: ["*.config.{js,ts}"], rules: { "import/no-default-export": "off" } },
  ],
});

function homedElsewhere(allowed: readonly string[]) {
  return { group: homedPackages.filter((name) => !allowed.includes(name)), message: "another layer's package" };
}

function restrictImports(patterns: readonly object[]) {
  return { "no-restricted-imports": ["error", { patterns }] as ["error", object] };
}
