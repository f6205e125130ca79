import { viteSingleFile } from "vite-plugin-singlefile";
import { defineConfig } from "vitest/config";

/** One file without references: the server allows its script and its style by their hashes. */
export default defineConfig({
  plugins: [viteSingleFile()],
  build: {
    outDir: "../file_uploader/http/static",
    emptyOutDir: true,
    target: "es2022",
    reportCompressedSize: false,
    modulePreload: false,
  },
  server: { proxy: { "/api": "http://localhost:8080" } },
});
