import { defineConfig } from "vite";

// The bundle is committed: whoever installs the package needs no Node. The names are fixed and nothing in it depends on
// when or where it is built, so that a test can build it anew and compare.
export default defineConfig({
  base: "./",
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "eof" },
  build: {
    outDir: "../airflow_dlaas/plugin/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    rollupOptions: {
      output: {
        entryFileNames: "assets/dlaas.js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/dlaas[extname]",
      },
    },
  },
});
