/**
 * Formulas as a browser draws them, beside what LaTeX makes of the same: test/output/formulas.png and formulas-dark.png are to be
 * looked at.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { eventually, noBrowser, type Person, peopleOf, screenshot } from "../support/browser";
import { startServer } from "../support/server";
import { temporaryFolder } from "../support/temporary";
import { gate, reply, startUpstream } from "../support/upstream";

if (noBrowser) console.warn(`Formulas are not looked at in a browser: ${noBrowser}.`);

const upstream = startUpstream({ models: ["small-a"] });
afterAll(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });
const person = peopleOf(server.url);

const TIMEOUT_MS = 60_000;

/** What both draw; chemistry is for the browser alone, since few have the package of LaTeX. */
const FORMULAS = [
  String.raw`\int_{-\infty}^{\infty} e^{-x^2}\,dx = \sqrt{\pi}`,
  String.raw`\begin{aligned} \nabla \cdot \mathbf{E} &= \frac{\rho}{\varepsilon_0} \\ \nabla \times \mathbf{B} &= \mu_0 \mathbf{J} + \mu_0 \varepsilon_0 \frac{\partial \mathbf{E}}{\partial t} \end{aligned}`,
  String.raw`\left( \frac{\displaystyle\sum_{i=1}^{n} a_i}{1 + \frac{1}{x}} \right)^2 \le \left\{ \frac{\frac{a}{b}}{\frac{c}{d}} \right\}`,
  String.raw`A = \begin{pmatrix} a_{11} & a_{12} & \cdots & a_{1n} \\ a_{21} & a_{22} & \cdots & a_{2n} \\ \vdots & \vdots & \ddots & \vdots \\ a_{m1} & a_{m2} & \cdots & a_{mn} \end{pmatrix}`,
  String.raw`f(x) = \begin{cases} x^2 & \text{if } x \ge 0 \\ -x & \text{otherwise} \end{cases} \qquad f'(x), f''(x)`,
  String.raw`\widehat{abc}, \hat{\theta}, \vec{v}, \overline{AB}, \mathcal{L}, \mathfrak{g}, \mathbb{R}^n, \binom{n}{k}, \sqrt[3]{x}`,
  String.raw`\begin{array}{c|c} x & y \\ \hline 1 & 2 \\ 3 & 4 \end{array} \qquad \boxed{E = mc^2} \qquad \underbrace{a + b + c}_{n} \xrightarrow{f}`,
  String.raw`\prod_p \frac{1}{1 - p^{-s}} = \zeta(s), \quad \oint_{\partial\Sigma} \mathbf{E} \cdot d\boldsymbol{\ell}, \quad \lim_{h \to 0} \frac{f(x+h) - f(x)}{h}`,
];

const ANSWER = `Inline: $\\mathbb{R} \\ni \\mathbf{E}$, the $n$th, $\\ce{2H2 + O2 -> 2H2O}$.\n\n${FORMULAS.map((it) => `$$\n${it}\n$$`).join("\n\n")}\n`;

async function converse(who: Person, answer: string): Promise<Page> {
  const page = await who.open("/");
  upstream.script(reply(answer));
  await page.fill("#text", "Formulas");
  await page.click("#go");
  await page.waitForURL(/\/t\//);
  await page.waitForSelector(".reply .facts");
  return page;
}

const TOO_FEW = "there is no pdflatex or pdftoppm here";

/** What LaTeX makes of them, as a picture; null where it is not installed. */
async function latexPicture(): Promise<string | null> {
  if (!Bun.which("pdflatex") || !Bun.which("pdftoppm")) return null;
  const folder = temporaryFolder();
  const body = FORMULAS.map((it) => `\\[ ${it} \\]`).join("\n");
  const text = `\\documentclass{article}\\usepackage{amsmath,amssymb}\\usepackage[paperwidth=12cm,paperheight=19cm,margin=5mm]{geometry}\\pagestyle{empty}\\begin{document}\n${body}\n\\end{document}\n`;
  writeFileSync(join(folder, "page.tex"), text);
  for (const command of [
    ["pdflatex", "-interaction=batchmode", "-halt-on-error", "page.tex"],
    ["pdftoppm", "-png", "-r", "110", "-singlefile", "page.pdf", "page"],
  ]) {
    const made = Bun.spawnSync(command, { cwd: folder });
    if (made.exitCode !== 0) throw new Error(`${command[0]} failed: ${made.stdout}${made.stderr}`);
  }
  return readFileSync(join(folder, "page.png")).toString("base64");
}

/** The browser has loaded the font, because a formula asks for it. */
const hasFont = (page: Page) =>
  page.evaluate(
    "[...document.fonts].some(({ family, status }) => /Latin Modern Math/.test(family) && status === 'loaded')",
  );

const boxes = (page: Page, selector: string) =>
  page.evaluate(
    `[...document.querySelectorAll(${JSON.stringify(selector)})].map((it) => { const { left, right, height } = it.getBoundingClientRect(); return { left, right, height }; })`,
  ) as Promise<{ readonly left: number; readonly right: number; readonly height: number }[]>;

describe.skipIf(noBrowser !== null)("formulas in a browser", () => {
  test(
    "have a font of their own, brackets that grow and columns that are aligned",
    async () => {
      const page = await converse(await person(), ANSWER);
      await eventually(() => hasFont(page), true);
      expect(await page.locator(".reply math").count()).toBe(FORMULAS.length + 3);
      expect(await page.textContent(".reply p math mrow")).toContain("ℝ∋𝐄");
      const brackets = await boxes(page, "div.formula mo[fence='true']");
      expect(Math.max(...brackets.map(({ height }) => height))).toBeGreaterThan(60);
      const rows = await boxes(page, ".tml-jot > mtr > mtd > *");
      const [first, second, third, fourth] = rows;
      expect(Math.abs((first?.right ?? 0) - (third?.right ?? 99))).toBeLessThan(1);
      expect(Math.abs((second?.left ?? 0) - (fourth?.left ?? 99))).toBeLessThan(1);
    },
    TIMEOUT_MS,
  );

  test.each(["light", "dark"] as const)(
    "look as LaTeX makes them, %s",
    async (colorScheme) => {
      const picture = await latexPicture();
      if (picture === null) console.warn(`Formulas are shown without LaTeX's beside them: ${TOO_FEW}.`);
      const page = await converse(
        await person("ann", { colorScheme, viewport: { width: 1500, height: 1250 } }),
        ANSWER,
      );
      await eventually(() => hasFont(page), true);
      if (picture !== null) {
        await page.evaluate(`(() => {
          const image = document.createElement("img");
          image.src = "data:image/png;base64,${picture}";
          image.width = 460;
          document.querySelector("#sidebar").replaceChildren(image);
          document.querySelector("#sidebar").style.width = "480px";
          document.querySelector(".chat").style.gridTemplateColumns = "480px minmax(0, 1fr)";
          return image.decode();
        })()`);
      }
      await screenshot(page, colorScheme === "dark" ? "formulas-dark" : "formulas");
    },
    TIMEOUT_MS,
  );

  test(
    "that take long come to a page that is open, and to one that is opened",
    async () => {
      const ann = await person();
      const slow = `x${"+x".repeat(3000)}`;
      const end = gate();
      const page = await ann.open("/");
      upstream.script({ parts: [`First.\n\n$$\n${slow}\n$$\n\nSecond.\n\n`, { wait: end.opened }, "Third."] });
      await page.fill("#text", "A long one");
      await page.click("#go");
      await page.waitForSelector(".reply >> text=Second");
      await page.waitForSelector(".reply div.formula math");
      const fresh = await ann.open(new URL(page.url()).pathname);
      await fresh.waitForSelector(".reply div.formula math");
      end.open();
      await page.waitForSelector(".reply .facts");
      expect(await page.locator(".reply div.formula math").count()).toBe(1);
    },
    TIMEOUT_MS,
  );
});
