import { defineConfig } from "vite";

// The bundle is committed, so that installing the package needs no Node. File names are fixed, and the content does not
// depend on the time or the place of the build: a test builds it again and compares.
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
