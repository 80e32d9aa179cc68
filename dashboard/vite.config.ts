/// <reference types="vitest/config" />
import { defineConfig } from "vite";

export default defineConfig({
  build: { target: "es2022", sourcemap: false },
  server: { host: "127.0.0.1" },
  // A test reads the style sheet's colours.
  test: { css: true },
});
