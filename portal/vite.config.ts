import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "./",
  plugins: [react()],
  resolve: {
    alias: {
      // @rjsf/core names it in a helper of its own tests; it compiles schemas, which the page's CSP forbids
      "@rjsf/validator-ajv8": fileURLToPath(new URL("src/validator.ts", import.meta.url)),
    },
  },
  build: {
    target: "es2022",
    // an inline module would need 'unsafe-inline' in the Content-Security-Policy
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  test: { environment: "jsdom", include: ["tests/**/*.test.ts", "tests/**/*.test.tsx"] },
});
