/** A long Markdown reply for the benchmark: prose, lists, tables, code and formulas in turn, cut into tokens of about four letters. */

const SECTIONS = [
  (n: number) =>
    `## Section ${n}\n\nA reply is **mostly prose**, with some *emphasis*, a bit of \`code\` and now and then [a link](https://example.com/${n}). It goes on for a few sentences, as people expect of it, and ends with a full stop. Then another sentence follows, which says much the same in other words.\n\n`,
  (n: number) =>
    `1. First, do the thing that is number ${n}.\n2. Then look at what came of it:\n   - it may be right,\n   - or it may *not* be.\n3. Begin again.\n\n`,
  (n: number) =>
    `| Name | Value | Remark |\n|:--|--:|---|\n| one | ${n} | the first |\n| two | ${n * 2} | twice as much |\n| three | ${n * 3} | and so on |\n\n`,
  (n: number) =>
    `\`\`\`typescript\nexport function step${n}(input: readonly number[]): number {\n  // The sum of all that is not negative.\n  const kept = input.filter((value) => value >= 0);\n  return kept.reduce((sum, value) => sum + value, ${n});\n}\n\`\`\`\n\n`,
  (n: number) =>
    `The sum is $s_{${n}} = \\sum_{i=1}^{${n}} i^2$, so\n\n$$\ns_{${n}} = \\frac{n(n+1)(2n+1)}{6}\n$$\n\n> As it was said before.\n\n`,
];
const TOKEN_LENGTH = 4;

export function markdownTokens(count: number): string[] {
  let text = "";
  for (let n = 0; text.length < count * TOKEN_LENGTH; n++) text += SECTIONS[n % SECTIONS.length]?.(n) ?? "";
  return Array.from({ length: count }, (_, n) => text.slice(n * TOKEN_LENGTH, (n + 1) * TOKEN_LENGTH));
}
