import { viteSingleFile } from "vite-plugin-singlefile";
import { defineConfig } from "vitest/config";

/**
 * Files without references: the server allows their scripts and styles by their hashes.
 *
 * One build makes one file: `--mode docs` that at `/api/docs`, and else the page.
 */
export default defineConfig(({ mode }) => ({
  plugins: [viteSingleFile()],
  build: {
    rolldownOptions: { input: mode === "docs" ? "docs.html" : "index.html" },
    outDir: "../file_uploader/http/pages/static",
    emptyOutDir: mode !== "docs",
    target: "es2022",
    reportCompressedSize: false,
    modulePreload: false,
  },
  server: { proxy: { "/api": "http://localhost:8080" } },
}));
