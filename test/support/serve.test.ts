import { createServer as createTcpServer } from "node:net";
import express from "express";
import { expect, test } from "vitest";
import { close, listen, serve, unreachableUrl } from "./serve.js";

const fileUrl = await serve((_req, res) => void res.end("file"));
let testUrl = "";

const textOf = async (url: string) => (await fetch(url)).text();

test("serve starts an Express app", async () => {
  testUrl = await serve(express().get("/", (_req, res) => void res.send("app")));
  expect(await textOf(testUrl)).toBe("app");
});

test("a server that a test started is closed when the test ends", async () => {
  await expect(textOf(testUrl)).rejects.toThrow("fetch failed");
});

test("a server that the file started serves all tests of the file", async () => {
  expect(await textOf(fileUrl)).toBe("file");
});

test("close destroys connections that are open", async () => {
  const silent = createTcpServer(() => {});
  const request = textOf(await listen(silent));
  const failure = expect(request).rejects.toThrow("fetch failed");
  await new Promise((resolve) => silent.once("connection", resolve));
  await close(silent);
  await failure;
});

test("no server listens at the unreachable URL", async () => {
  await expect(textOf(await unreachableUrl())).rejects.toThrow("fetch failed");
});
