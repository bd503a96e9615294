import { describe, expect, test, vi } from "vitest";
import type { Page } from "../../lib/contract/page-parts.js";
import { errorDefinitions } from "../../lib/errors/error-codes.js";
import { CHINESE } from "../../lib/errors/page-texts/chinese.js";
import { ENGLISH } from "../../lib/errors/page-texts/english.js";
import { PortalAuthError } from "../../lib/index.js";
import { chineseBrowser } from "../support/languages.js";
import { startWorld, type WorldOptions } from "../support/world.js";

const LOST = { log: [/login_not_found|hook_failed/] };

async function visitErrorPage(acceptLanguage: string | undefined, options: WorldOptions = {}) {
  const { url, browser } = await startWorld({ ...LOST, ...options });
  const headers = acceptLanguage === undefined ? {} : { "accept-language": acceptLanguage };
  return browser.navigate(`${url}/callback?code=x&state=y`, { headers });
}

describe("the texts of each language", () => {
  test("exist for each error code, and differ between the languages", () => {
    expect(Object.keys(CHINESE.sentences)).toEqual(Object.keys(errorDefinitions));
    for (const [code, sentence] of Object.entries(CHINESE.sentences)) {
      expect(sentence, code).toMatch(/。$/);
      expect(sentence, code).not.toMatch(/[,.!?;]/); // full-width punctuation
      expect(sentence).not.toBe(ENGLISH.sentences[code as keyof typeof errorDefinitions]);
    }
    for (const part of ["titles", "labels"] as const)
      for (const [name, words] of Object.entries(CHINESE[part]))
        expect(words, name).toMatch(/^[\p{Script=Han}？，]+$/u);
  });
});

describe("the language of a page", () => {
  test.each([
    [undefined, "en", "Sign in again"],
    ["en-GB,en;q=0.9", "en", "Sign in again"],
    ["zh", "zh", "重新登录"],
    ["zh-CN,zh;q=0.9,en;q=0.8", "zh", "重新登录"],
    ["zh-Hans-CN", "zh", "重新登录"],
    ["zh-TW", "zh", "重新登录"],
    ["fr-FR,zh;q=0.5,en;q=0.4", "zh", "重新登录"],
    ["en;q=0.4,zh;q=0.5", "zh", "重新登录"],
    ["fr", "en", "Sign in again"],
    ["*", "en", "Sign in again"],
    ["", "en", "Sign in again"],
    ["__proto__, constructor", "en", "Sign in again"],
  ])("is the one that the browser requests: %j", async (accept, lang, label) => {
    const { status, headers, body } = await visitErrorPage(accept);
    expect([status, headers["content-language"]]).toEqual([400, lang]);
    expect(headers["vary"]).toMatch(/accept-language/i);
    expect(body).toContain(`<html lang="${lang}">`);
    expect(body).toContain(`>${label}</a>`);
    expect(body).toContain("login_not_found · ");
  });

  test("is also used for the confirmation of a logout", async () => {
    const { url, browser } = await startWorld();
    const { body } = await browser.navigate(`${url}/logout`, { headers: chineseBrowser });
    expect(body).toContain("要退出登录吗？");
    expect(body).toContain("退出登录</button>");
  });

  test("is also used for the title of a problem, but not for its code", async () => {
    const { url, browser } = await startWorld();
    const { body } = await browser.fetch(`${url}/account`, { headers: chineseBrowser });
    expect(JSON.parse(body)).toMatchObject({ code: "login_required", title: "请先登录。" });
  });

  test("is not used for the sentence of a hook", async () => {
    const { url, browser, asked } = await startWorld({
      options: {
        hooks: {
          onLogin: () => Promise.reject(new PortalAuthError("login_refused", { sentence: "Members only." })),
        },
      },
    });
    const callback = await browser.loginUntilCallback(`${url}/login`);
    expect((await browser.navigate(callback, { headers: chineseBrowser })).body).toContain("Members only.");
    await vi.waitFor(() => expect(asked("/oauth2/revoke")).toHaveLength(1)); // the unused tokens are revoked
  });
});

describe("the option languages", () => {
  const german = {
    de: { titles: { signInFailed: "Anmeldung fehlgeschlagen" }, labels: { signInAgain: "Erneut anmelden" } },
  };

  test("adds a language, whose missing texts are English", async () => {
    const { body, headers } = await visitErrorPage("de-AT", { options: { languages: german } });
    expect(headers["content-language"]).toBe("de");
    expect(body).toContain("<h1>Anmeldung fehlgeschlagen</h1>");
    expect(body).toContain(">Erneut anmelden</a>");
    expect(body).toContain("Go to the start page");
  });

  test("replaces single texts of a built-in language", async () => {
    const languages = { zh: { labels: { signInAgain: "再次登录" } } };
    const { body } = await visitErrorPage("zh", { options: { languages } });
    expect(body).toContain(">再次登录</a>");
    expect(body).toContain(">返回首页</a>");
  });

  test("is escaped in HTML", async () => {
    const languages = { en: { titles: { signInFailed: "<b>no</b>" } } };
    expect((await visitErrorPage("en", { options: { languages } })).body).toContain(
      "<h1>&lt;b&gt;no&lt;/b&gt;</h1>",
    );
  });

  test.each([{ "not a tag!": {} }, { de: "Anmelden" }, "de"])(
    "is rejected if it is invalid: %j",
    async (languages) => {
      await expect(startWorld({ options: { languages: languages as never } })).rejects.toThrow(
        "option languages",
      );
    },
  );
});

describe("the option renderPage", () => {
  test("renders an error page from its parts, and can change the headers", async () => {
    const pages: Page[] = [];
    const { url, browser, log } = await startWorld({
      ...LOST,
      options: {
        async renderPage(page, { req, res }) {
          pages.push(page);
          res.setHeader("Content-Security-Policy", "default-src 'self'");
          return `<my-page>${page.code} at ${req.path}</my-page>`;
        },
      },
    });
    const { status, headers, body } = await browser.navigate(`${url}/callback?code=x&state=y`);
    expect([status, body]).toEqual([400, "<my-page>login_not_found at /callback</my-page>"]);
    expect(headers).toMatchObject({
      "content-security-policy": "default-src 'self'",
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "content-type": "text/html; charset=utf-8",
    });
    const [page] = pages;
    expect(page).toEqual({
      kind: "failure",
      lang: "en",
      title: "Sign-in failed",
      text: ENGLISH.sentences.login_not_found,
      code: "login_not_found",
      status: 400,
      request_id: expect.stringMatching(/^[0-9a-f]{12}$/),
      footnote: `login_not_found · request ${page?.request_id}`,
      actions: [
        { label: "Sign in again", href: "/login" },
        { label: "Go to the start page", href: "/" },
      ],
    });
    expect(log.join()).toContain(page?.request_id);
  });

  test("renders the confirmation of a logout, which still works", async () => {
    const { url, browser, me } = await startWorld({
      options: { renderPage: (page) => JSON.stringify(page) },
    });
    await browser.visit(`${url}/account`);
    const { actions, kind } = JSON.parse((await browser.navigate(`${url}/logout`)).body);
    expect(kind).toBe("sign_out");
    const [{ post, fields }] = actions;
    await browser.navigate(new URL(post, url), { method: "POST", form: fields, old: true });
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("cannot remove the automatic continuation of a page", async () => {
    const { url, browser } = await startWorld({
      options: { sameSite: "strict", renderPage: ({ kind }) => kind },
    });
    const { headers, body } = await browser.navigate(`${url}/account`, { site: "cross-site" });
    expect([headers["refresh"], body]).toEqual(["0; url=/account", "redirect"]);
  });

  test.each<[string, () => never]>([
    [
      "throws",
      () => {
        throw new Error("template missing");
      },
    ],
    ["returns no text", () => ({ html: "<p>" }) as never],
  ])("that %s is reported in the log, and the built-in page is shown", async (_case, renderPage) => {
    const { url, browser, log } = await startWorld({ ...LOST, options: { renderPage } });
    const { status, body } = await browser.navigate(`${url}/callback?code=x&state=y`);
    expect(status).toBe(400);
    expect(body).toContain("<h1>Sign-in failed</h1>");
    expect(log.join("\n")).toMatch(/hook_failed.*renderPage/);
  });
});
