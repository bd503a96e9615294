import { expect, test } from "vitest";
import { createSealer } from "../../lib/session/seal.js";

const [A, B] = ["a".repeat(32), "b".repeat(32)];

test("what was sealed is opened, and reads like nothing in between", async () => {
  const sealer = createSealer([A], "login");
  const sealed = await sealer.seal({ state: "geheim" });
  expect(sealed).not.toContain("geheim");
  expect(await sealer.open(sealed)).toEqual({ state: "geheim" });
});

test("the same value never looks the same twice", async () => {
  const sealer = createSealer([A], "login");
  expect(await sealer.seal({ n: 1 })).not.toBe(await sealer.seal({ n: 1 }));
});

test("one purpose's seal is nothing to another, nor is another secret's", async () => {
  const sealed = await createSealer([A], "login").seal({ n: 1 });
  expect(await createSealer([A], "logout").open(sealed)).toBeUndefined();
  expect(await createSealer([B], "login").open(sealed)).toBeUndefined();
});

test("secrets rotate: the first seals, all open", async () => {
  const [old, both] = [createSealer([A], "login"), createSealer([B, A], "login")];
  expect(await both.open(await old.seal({ n: 1 }))).toEqual({ n: 1 });
  expect(await createSealer([B], "login").open(await both.seal({ n: 2 }))).toEqual({ n: 2 });
});

test("a single changed letter, anywhere, opens nothing", async () => {
  const sealer = createSealer([A], "login");
  const sealed = await sealer.seal({ n: 1 });
  for (let at = 0; at < sealed.length; at += 1) {
    const letter = sealed[at] === "." ? "x" : sealed[at] === "A" ? "Q" : "A";
    const forged = sealed.slice(0, at) + letter + sealed.slice(at + 1);
    if (forged !== sealed) expect(await sealer.open(forged), `letter ${at}`).toBeUndefined();
  }
});

test("nothing else opens either: other algorithms, no algorithm, no JWE", async () => {
  const sealer = createSealer([A], "login");
  const header = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const [, ...rest] = (await sealer.seal({ n: 1 })).split(".");
  for (const forged of [
    "",
    ".",
    "....",
    "null",
    "{}",
    [header({ alg: "none" }), ...rest].join("."),
    [header({ alg: "dir", enc: "A128GCM" }), ...rest].join("."),
    [header({ alg: "PBES2-HS256+A128KW", enc: "A256GCM", p2c: 1e9, p2s: "x" }), ...rest].join("."),
  ])
    expect(await sealer.open(forged)).toBeUndefined();
});
