// Makes a component of a worker in JavaScript: componentize.mjs SOURCE WIT OUT.
import { componentize } from "@bytecodealliance/componentize-js";
import { readFile, writeFile } from "node:fs/promises";
const [source, wit, out] = process.argv.slice(2);
const { component } = await componentize(await readFile(source, "utf8"), { witPath: wit, worldName: "worker", disableFeatures: ["http", "fetch-event"] });
await writeFile(out, component);
