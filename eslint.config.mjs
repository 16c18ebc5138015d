// The page's scripts: plain files, joined in the order that mmer/ui/page/style.py and mmer/views/page.py name. Their types are checked by
// tsc (jsconfig.json), which knows the browser's names and those that one file has from another.
import js from "@eslint/js";

export default [
  {
    files: ["mmer/**/*.js"],
    ...js.configs.recommended,
    languageOptions: { ecmaVersion: "latest", sourceType: "script" },
    rules: {
      ...js.configs.recommended.rules,
      "no-undef": "off", // tsc does it
      "no-unused-vars": ["error", { vars: "local", args: "after-used" }], // what is global here is another file's
      "no-control-regex": "off", // control characters are what is taken out of texts
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": ["error", { destructuring: "all" }],
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-shadow-restricted-names": "error",
      "no-throw-literal": "error",
      "prefer-object-spread": "error",
      "object-shorthand": "error",
    },
  },
];
