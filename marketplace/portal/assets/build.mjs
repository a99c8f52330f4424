// Collects what a browser loads into one folder of static files. Plain copies: nothing here needs a bundler, and what is served is
// what can be read.
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "static", "portal");
const modules = join(here, "node_modules");
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

copyFileSync(join(modules, "htmx.org/dist/htmx.min.js"), join(out, "htmx.min.js"));
copyFileSync(join(modules, "pretendard/dist/web/variable/woff2/PretendardVariable.woff2"), join(out, "pretendard.woff2"));

// Layers in the order in which they override each other.
const layers = ["tokens.css", "base.css", "layout.css", "components.css"];
writeFileSync(join(out, "portal.css"), layers.map((file) => readFileSync(join(here, "src", file), "utf8")).join("\n"));
copyFileSync(join(here, "src", "portal.js"), join(out, "portal.js"));
copyFileSync(join(here, "src", "mark.svg"), join(out, "mark.svg"));

// One sprite with the icons that templates name; an unknown name fails the build.
const icons = JSON.parse(readFileSync(join(here, "src", "icons.json"), "utf8"));
const symbols = icons.map((name) => {
  const svg = readFileSync(join(modules, "lucide-static/icons", `${name}.svg`), "utf8");
  const body = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>")).replace(/\s+/g, " ").trim();
  return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${body}</symbol>`;
});
writeFileSync(join(out, "icons.svg"), `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`);
console.log(`${readdirSync(out).length} files`);
