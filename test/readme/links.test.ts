import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DOCUMENTS, findAnchors, findLinks, GUIDE, PAGES, ROOT, readDocument } from "./documents.js";

describe.each(DOCUMENTS)("%s", (document) => {
  test("links to files and headings that exist", async () => {
    const broken: string[] = [];
    for (const { path, anchor } of await findLinks(document)) {
      if (!existsSync(join(ROOT, path))) broken.push(path);
      else if (anchor !== undefined && !(await findAnchors(path)).has(anchor))
        broken.push(`${path}#${anchor}`);
    }
    expect(broken).toEqual([]);
  });
});

test("the index of the guide links to each of its pages", async () => {
  const linked = (await findLinks(`${GUIDE}/README.md`)).map(({ path }) => path);
  const pages = PAGES.filter((path) => path.startsWith(GUIDE) && !/\/(README|migrating\/.*)\.md$/.test(path));
  expect(pages.filter((path) => !linked.includes(path))).toEqual([]);
});

test("the README has at most 250 lines", async () => {
  const lines = (await readDocument("README.md")).trimEnd().split("\n");
  expect(lines.length).toBeLessThanOrEqual(250);
});
