import type { Express, RequestHandler } from "express";
import express from "express";
import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import { portalAuth, type RequireAuthOptions, requireAuth } from "../../lib/index.js";
import { loginAs } from "../../lib/testing/login-as.js";
import { type Answer, Browser, type RequestOptions } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { advanceDate } from "../support/fake-time.js";
import { describeWithPostgres, describeWithRedis } from "../support/servers/describe.js";
import { observedStore } from "../support/stored-sessions.js";
import {
  CLIENT_ID,
  CLIENT_SECRET,
  getClientOptions,
  leadTo,
  SESSION_SECRET,
  startWorld,
  type World,
  type WorldOptions,
} from "../support/world.js";

const BODY = "item=tea&item=cups+%26+%22saucers%22&note=two%0D%0Alines+%E8%8C%B6&%3Cb%3E=&item=";
const URLENCODED = "application/x-www-form-urlencoded";

interface Shop extends World {
  /** The bodies that the handler of the app received, in order. */
  readonly orders: string[];
  /** Posts the form as a page of the app does, and returns the response. */
  post(body?: string, ask?: RequestOptions): Promise<Answer>;
  /** Posts the form, signs in, and returns the page that asks whether to send it. */
  postAndLogIn(body?: string, ask?: RequestOptions): Promise<Answer>;
}

interface ShopOptions extends WorldOptions {
  guard?: RequireAuthOptions;
  /** A body parser in front of the guard. */
  parser?: RequestHandler;
}

/** Starts an app with a guarded form. Its handler records each body exactly as it arrived. */
async function startShop({
  guard = { keepForm: true },
  parser,
  after,
  ...worldOptions
}: ShopOptions = {}): Promise<Shop> {
  const orders: string[] = [];
  const world = await startWorld({
    ...worldOptions,
    after: (app) => {
      const recordOrder: RequestHandler = (req, res) => {
        orders.push(typeof req.body === "string" ? req.body : JSON.stringify(req.body));
        res.send("order received");
      };
      const parsers = parser ? [parser] : [];
      app.post("/orders", ...parsers, requireAuth(guard), express.text({ type: URLENCODED }), recordOrder);
      app.all("/thing", requireAuth(guard), (_req, res) => void res.send("in"));
      app.get("/test/session", (req, res) => void res.json(req.session));
      after?.(app);
    },
  });
  const { url, browser } = world;
  const post = (body = BODY, { headers, ...ask }: RequestOptions = {}) =>
    browser.navigate(`${url}/orders`, {
      method: "POST",
      site: "same-origin",
      form: new URLSearchParams(body),
      headers: { referer: `${url}/orders/new?of=today`, ...headers },
      ...ask,
    });
  return {
    ...world,
    orders,
    post,
    async postAndLogIn(body, ask) {
      const answer = await post(body, ask);
      expect(answer.status).toBe(200);
      const callback = await browser.loginUntilCallback(getRefreshUrl(answer));
      const page = await browser.visit(callback, { site: "cross-site" });
      // With a SameSite=Strict session the callback sends our own page, which reloads.
      const nextUrl = getRefreshUrl(page);
      return nextUrl ? browser.visit(new URL(nextUrl, page.url), { site: "same-origin" }) : page;
    },
  };
}

/** Returns the URL of the Refresh header, or an empty string. */
const getRefreshUrl = ({ headers }: Answer): string => {
  const [, to = ""] = /^0; url=(.+)$/.exec(String(headers["refresh"])) ?? [];
  return to;
};

const unescapeHtml = (text: string) =>
  text.replace(
    /&(lt|gt|quot|amp|#39);/g,
    (_match, name) => ({ lt: "<", gt: ">", quot: '"', amp: "&" })[String(name)] ?? "'",
  );

/** Returns the buttons of a page, with the URL and the fields that each posts. */
function getButtons({ body, url }: Answer) {
  const forms = [
    ...body.matchAll(/<form method="post" action="([^"]+)">(.*?)<button class="button">([^<]+)</gs),
  ];
  return forms.map(([, action = "", inner = "", label]) => ({
    label,
    to: new URL(unescapeHtml(action), url),
    form: new URLSearchParams(
      [...inner.matchAll(/name="([^"]*)" value="([^"]*)"/g)].map(
        ([, ...pair]) => pair.map(unescapeHtml) as [string, string],
      ),
    ),
  }));
}

type Button = ReturnType<typeof getButtons>[number];

const press = (browser: Browser, { to, form }: Button, ask: RequestOptions = {}) =>
  browser.navigate(to, { method: "POST", form, site: "same-origin", ...ask });

/** Presses a button and follows the redirect. A 307 repeats the POST, as in a browser. */
async function pressAndFollow(browser: Browser, button: Button): Promise<Answer> {
  const answer = await press(browser, button);
  const to = new URL(answer.headers.location ?? "", answer.url);
  return answer.status === 307
    ? press(browser, { ...button, to })
    : browser.navigate(to, { site: "same-origin" });
}

const getSendButton = (page: Answer): Button => getButtons(page)[0] as Button;
const getDiscardButton = (page: Answer): Button => getButtons(page)[1] as Button;
const GONE = "No form to submit";

const ownSession: WorldOptions["before"] = (app: Express) =>
  app.use(session({ secret: "the app's own", resave: true, saveUninitialized: false, rolling: true }));

describe.each<[string, WorldOptions]>([
  ["our session", {}],
  ["our session, in Express 4", { express: 4 }],
  ["our session with SameSite=Strict", { options: { sameSite: "strict" } }],
  ["the app's own session", { before: ownSession }],
  ["the app's own session, in Express 4", { before: ownSession, express: 4 }],
  [
    "the app's own session that is destroyed with req.session",
    {
      before: (app) =>
        app.use(session({ secret: "s", resave: false, saveUninitialized: false, unset: "destroy" })),
    },
  ],
])("with %s", (_session, worldOptions) => {
  test("a form is saved, the user is asked after the login, and the same body is sent once", async () => {
    const shop = await startShop(worldOptions);
    const page = await shop.postAndLogIn();
    expect([page.status, page.url]).toEqual([200, `${shop.url}/login/form`]);
    expect(page.body).toContain("<h1>Submit your form?</h1>");
    expect(page.body).toContain("You are now signed in as amara-okafor.");
    expect(getButtons(page).map(({ label }) => label)).toEqual(["Submit the form", "Discard the form"]);
    expect(shop.orders).toEqual([]); // nothing is sent without a click
    expect((await pressAndFollow(shop.browser, getSendButton(page))).body).toBe("order received");
    expect(shop.orders).toEqual([BODY]);
    expect((await pressAndFollow(shop.browser, getSendButton(page))).body).toContain(GONE);
    expect((await shop.browser.navigate(page.url)).body).toContain(GONE);
    expect(shop.orders).toEqual([BODY]);
    expect((await shop.me()).isAuthenticated).toBe(true);
  });

  test("a discarded form is not sent, and the user returns to its page", async () => {
    const shop = await startShop(worldOptions);
    const page = await shop.postAndLogIn();
    const answer = await press(shop.browser, getDiscardButton(page));
    expect([answer.status, answer.headers.location]).toEqual([303, "/orders/new?of=today"]);
    expect((await pressAndFollow(shop.browser, getSendButton(page))).body).toContain(GONE);
    expect(shop.orders).toEqual([]);
  });

  test("after a second click the form is not lost and is sent only once", async () => {
    const shop = await startShop(worldOptions);
    const page = await shop.postAndLogIn();
    const button = getSendButton(page);
    // The second click cancels the first, whose redirect is never followed.
    expect((await press(shop.browser, button)).status).toBe(307);
    expect((await shop.browser.navigate(page.url)).body).toContain("Submit the form");
    const answers = await Promise.all([1, 2, 3].map(() => pressAndFollow(shop.browser, button)));
    expect(shop.orders).toEqual([BODY]);
    expect(answers.filter(({ body }) => body === "order received")).toHaveLength(1);
    expect((await pressAndFollow(shop.browser, button)).body).toContain(GONE);
  });
});

describe("the form page", () => {
  test("survives a reload, of the page and of the callback", async () => {
    const shop = await startShop();
    const callback = await shop.browser.loginUntilCallback(getRefreshUrl(await shop.post()));
    for (const _ of [1, 2]) expect((await shop.browser.visit(callback)).body).toContain("Submit the form");
    expect(
      (
        await pressAndFollow(
          shop.browser,
          getSendButton(await shop.browser.navigate(`${shop.url}/login/form`)),
        )
      ).body,
    ).toBe("order received");
  });

  test("shows the name of the signed-in user and escapes everything", async () => {
    const shop = await startShop({
      options: {
        hooks: {
          onLogin: (context) => {
            context.claims = { ...context.claims, name: "Jonas </p><script>$&" };
          },
        },
      },
    });
    const { body, headers } = await shop.postAndLogIn("%22%3E%3Cscript%3E=%22%3E%3Cscript%3E");
    expect(body).toContain("You are now signed in as Jonas &lt;/p&gt;&lt;script&gt;$&amp;.");
    expect(body).not.toContain("<script");
    expect(headers).toMatchObject({ "cache-control": "no-store", "referrer-policy": "same-origin" });
    expect(headers["content-security-policy"]).toMatch(/default-src 'none'.*form-action 'self'/);
  });

  test("speaks Chinese, and names the user even if a text of the app omits the name", async () => {
    const shop = await startShop({ options: { languages: { de: { formQuestion: "Formular senden?" } } } });
    const page = await shop.postAndLogIn();
    const getBody = async (language: string) =>
      (await shop.browser.navigate(page.url, { headers: { "accept-language": language } })).body;
    expect(await getBody("zh-CN")).toMatch(/要提交表单吗？[\s\S]*amara-okafor[\s\S]*提交表单/);
    expect(await getBody("de")).toContain("Formular senden? amara-okafor");
  });

  test("shows no form to other sessions, to a visitor and after the sign-out", async () => {
    const shop = await startShop();
    const page = await shop.postAndLogIn();
    const other = new Browser();
    expect((await other.navigate(page.url)).body).toContain(GONE);
    await other.visit(`${shop.url}/account`);
    expect((await other.navigate(page.url)).body).toContain(GONE);
    expect((await pressAndFollow(other, getSendButton(page))).body).toContain(GONE);
    await shop.browser.navigate(`${shop.url}/logout`, { site: "same-origin" });
    expect((await pressAndFollow(shop.browser, getSendButton(page))).body).toContain(GONE);
    expect(shop.orders).toEqual([]);
  });

  test("shows no form after the login has ended, although the app's own session continues", async () => {
    const { clock, later } = createClock();
    const shop = await startShop({ before: ownSession, options: { clock, sessionAbsolute: 300 } });
    const page = await shop.postAndLogIn();
    later(300);
    expect((await shop.browser.navigate(page.url)).body).toContain(GONE);
    expect((await pressAndFollow(shop.browser, getSendButton(page))).body).toContain(GONE);
    expect(shop.orders).toEqual([]);
  });

  test("a POST from another site neither sends nor discards the form, but leads to the page", async () => {
    const shop = await startShop();
    const page = await shop.postAndLogIn();
    const oldBrowser = { old: true, headers: { origin: "https://evil.example" } };
    const requests: RequestOptions[] = [
      { site: "cross-site" },
      { site: "same-site" },
      { site: "none" },
      oldBrowser,
    ];
    for (const button of getButtons(page))
      for (const ask of requests) {
        const { status, headers } = await press(shop.browser, button, ask);
        expect([status, headers.location]).toEqual([303, "/login/form"]);
      }
    expect((await shop.browser.navigate(page.url)).body).toContain("Submit the form");
    const ownPage = { old: true, headers: { origin: shop.url } };
    expect((await press(shop.browser, getSendButton(page), ownPage)).status).toBe(307);
  });

  test("is not sent to HEAD and to a prefetch", async () => {
    const shop = await startShop();
    const { url } = await shop.postAndLogIn();
    expect((await shop.browser.navigate(url, { method: "HEAD" })).status).toBe(204);
    expect((await shop.browser.navigate(url, { headers: { "sec-purpose": "prefetch" } })).status).toBe(503);
  });
});

describe("discarding the form", () => {
  const discardAndGetLocation = async (shop: Shop, ask?: RequestOptions) =>
    (await press(shop.browser, getDiscardButton(await shop.postAndLogIn(BODY, ask)))).headers.location;

  test.each<[string, RequestOptions, string]>([
    ["that is empty", { headers: { referer: "" } }, "/"],
    ["of another origin", { headers: { referer: "https://evil.example/x" } }, "/"],
    ["of a similar origin", { headers: { referer: "http://127.0.0.1:1.evil.example/" } }, "/"],
  ])("with a Referer %s leads to the start page", async (_case, ask, to) => {
    expect(await discardAndGetLocation(await startShop(), ask)).toBe(to);
  });

  test("leads to the returnTo of the guard, and to that of onLogin if it sets one", async () => {
    const guard = { keepForm: true, returnTo: () => "/orders" };
    expect(await discardAndGetLocation(await startShop({ guard }))).toBe("/orders");
    expect(
      await discardAndGetLocation(
        await startShop({ guard, options: { hooks: { onLogin: leadTo("/welcome") } } }),
      ),
    ).toBe("/welcome");
  });

  test("a returnTo function that throws causes an error 500 when the form is posted", async () => {
    const returnTo = () => {
      throw new Error("no idea");
    };
    const shop = await startShop({ guard: { keepForm: true, returnTo }, log: [/no idea/] });
    expect((await shop.post()).status).toBe(500);
  });
});

describe("a form is saved", () => {
  test.each<[string, ShopOptions, string]>([
    ["from a browser that sends Origin and no Sec-Fetch-Site", {}, BODY],
    ["if it is empty", {}, ""],
    [
      "if express.urlencoded() has parsed it",
      { parser: express.urlencoded({ extended: false }) },
      "a=1&b=2&b=%E8%8C%B6",
    ],
    [
      "if express.urlencoded() has parsed it with qs",
      { parser: express.urlencoded({ extended: true }) },
      "a=1&b=2&b=%E8%8C%B6",
    ],
    ["if express.text() has parsed it", { parser: express.text({ type: URLENCODED }) }, BODY],
    ["if express.json() has ignored it", { parser: express.json() }, BODY],
    ["with the maximum size", { guard: { keepForm: { maxBytes: 10 } } }, "a=12345678"],
  ])("%s", async (name, options, body) => {
    const shop = await startShop(options);
    const ask = name.includes("Origin") ? { old: true, headers: { origin: shop.url } } : {};
    expect(getSendButton(await shop.postAndLogIn(body, ask)).form.toString()).toBe(body);
  });

  test("by a guard with freshToken if the token cannot be refreshed", async () => {
    const { clock, later } = createClock();
    const shop = await startShop({
      guard: { keepForm: true, freshToken: true },
      options: { clock },
      log: [/refresh_refused/],
    });
    await shop.browser.visit(`${shop.url}/account`);
    expect((await shop.post()).body).toBe("order received");
    later(301);
    shop.provider.answerNext("/oauth2/token", (_req, res) =>
      res.writeHead(400, { "content-type": "application/json" }).end('{"error":"invalid_grant"}'),
    );
    const page = await shop.postAndLogIn();
    expect((await pressAndFollow(shop.browser, getSendButton(page))).body).toBe("order received");
    expect(shop.orders).toEqual([BODY, BODY]);
  });

  test("below a mount path and with another form route", async () => {
    const shop = await startShop({ mount: "/orders", options: { routes: { form: "/sent/on" } } });
    const page = await shop.postAndLogIn();
    expect(page.url).toBe(`${shop.url}/orders/sent/on`);
    expect((await pressAndFollow(shop.browser, getSendButton(page))).body).toBe("order received");
  });

  test("by a portalAuth() with a name, separate from the session of the default one", async () => {
    let staff: RequestHandler = (_req, _res, next) => next();
    const shop = await startShop({
      guard: { keepForm: true, portal: "staff" },
      before: (app) => app.use((req, res, next) => staff(req, res, next)),
      provider: { redirectUris: ["http://127.0.0.1:1/callback"] },
    });
    const client = { clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, secret: SESSION_SECRET };
    const routes = { login: "/staff/login", callback: "/staff/callback", logout: "/staff/logout" };
    const redirectUri = `${shop.url}/staff/callback`;
    staff = portalAuth({ ...client, name: "staff", issuer: shop.provider.issuer, redirectUri, routes });
    const { status, headers } = await shop.post();
    expect([status, headers["set-cookie"]?.join()]).toEqual([
      200,
      expect.stringContaining("portal-login.staff."),
    ]);
    const cookie = await loginAs(shop.app, { sub: "jonas" }, {}, { path: "/staff/callback" });
    const { body } = await shop.browser.navigate(`${shop.url}/staff/login/form`, { headers: { cookie } });
    expect(body).toContain(GONE);
  });
});

test("if the form route is off, forms are not saved, and one warning is logged", async () => {
  const shop = await startShop({ options: { routes: { form: false } }, log: [/routes\.form is false/] });
  for (let n = 0; n < 2; n += 1) expect((await shop.post(BODY)).status).toBe(401);
  expect(shop.log).toHaveLength(1);
});

describe("a form is not saved, and no login starts,", () => {
  const cases: [string, ShopOptions, string | undefined, RequestOptions][] = [
    ["if the guard has no keepForm", { guard: {} }, BODY, {}],
    ["if another site posts it", {}, BODY, { site: "cross-site" }],
    ["if another host of this site posts it", {}, BODY, { site: "same-site" }],
    ["if no page posts it", {}, BODY, { site: "none" }],
    [
      "if Origin is this site and Sec-Fetch-Site is cross-site",
      {},
      BODY,
      { site: "cross-site", headers: { origin: "SELF" } },
    ],
    [
      "from an old browser with another Origin",
      {},
      BODY,
      { old: true, headers: { origin: "https://evil.example" } },
    ],
    ["from an old browser without Origin", {}, BODY, { old: true }],
    ["from an old browser with Origin: null", {}, BODY, { old: true, headers: { origin: "null" } }],
    ["if a script posts it", {}, BODY, { headers: { "sec-fetch-mode": "cors", "sec-fetch-dest": "empty" } }],
    ["if a frame posts it", {}, BODY, { headers: { "sec-fetch-dest": "iframe" } }],
    ["if the method is PUT", {}, BODY, { method: "PUT" }],
    ["if it may contain files", {}, BODY, { headers: { "content-type": "multipart/form-data; boundary=x" } }],
    ["if it is too large", { guard: { keepForm: { maxBytes: 10 } } }, "a=123456789", {}],
    [
      "if it is too large and already parsed",
      { guard: { keepForm: { maxBytes: 10 } }, parser: express.urlencoded({ extended: false }) },
      "a=123456789",
      {},
    ],
    ["if it is larger than the default limit", {}, `a=${"b".repeat(64 * 1024)}`, {}],
    [
      "if its fields were parsed into objects",
      { parser: express.urlencoded({ extended: true }) },
      "a%5Bb%5D=1",
      {},
    ],
    [
      "if its fields were parsed into a list",
      { parser: express.urlencoded({ extended: true }) },
      "a%5B%5D=1",
      {},
    ],
    ["if a field has no name", {}, "=1", {}],
    ["if it contains NUL, which a page cannot contain", {}, "a=%00", {}],
    ["if it contains a line end that a page would change", {}, "a=b%0Ac", {}],
    ["if its charset is not UTF-8", {}, "_charset_=gbk", {}],
    ["if its URL is too long to return to", {}, BODY, { headers: { "x-long": "1" } }],
  ];

  test.each(cases)("%s", async (_case, options, body, ask) => {
    const store = observedStore();
    const shop = await startShop({
      ...options,
      options: { store, ...options.options },
      after: (app) => void app.put("/orders", requireAuth(options.guard ?? { keepForm: true })),
    });
    const headers = { ...ask.headers, ...(ask.headers?.["origin"] === "SELF" && { origin: shop.url }) };
    const path = ask.headers?.["x-long"] ? `/thing?${"q".repeat(2000)}` : "/orders";
    const answer = await shop.browser.navigate(`${shop.url}${path}`, {
      method: "POST",
      site: "same-origin",
      form: new URLSearchParams(body),
      ...ask,
      headers,
    });
    expect([answer.status, answer.body]).toEqual([401, expect.stringContaining("login_required")]);
    expect(answer.headers["set-cookie"]).toBeUndefined();
    expect(await store.keys("")).toEqual([]);
  });

  test("if its bytes are not UTF-8 or it has no Content-Length", async () => {
    const shop = await startShop();
    const headers = {
      "sec-fetch-mode": "navigate",
      "sec-fetch-site": "same-origin",
      "content-type": URLENCODED,
    };
    const answers = await Promise.all([
      rawPost(shop, { ...headers, "content-length": "3" }, "a=1"),
      rawPost(shop, headers, "a=%FF%FE"),
      rawPost(shop, { ...headers, "transfer-encoding": "chunked" }, BODY),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 401]);
  });

  test("if the provider is down: the user gets an error page, and nothing is stored", async () => {
    const store = observedStore();
    const shop = await startShop({ options: { store }, log: [/portal_unreachable/] });
    shop.provider.goDown();
    const { status, body } = await shop.post();
    expect([status, await store.keys("")]).toEqual([503, []]);
    expect(body).toContain("/login?returnTo=%2Forders%2Fnew%3Fof%3Dtoday");
  });

  test("if the store is down", async () => {
    const store = observedStore();
    store.fail("create");
    const shop = await startShop({ options: { store }, log: [/session_store_failed/] });
    const answer = await shop.post();
    expect([answer.status, shop.log.filter((line) => line.includes("session_store_failed")).length]).toEqual([
      401, 1,
    ]);
  });

  test("if too many forms are saved already, which is logged once", async () => {
    const shop = await startShop({
      guard: { keepForm: { maxBytes: 1024 * 1024 } },
      log: [/saves no more forms/],
    });
    const statuses: number[] = [];
    for (let n = 0; n < 14; n += 1) {
      statuses.push((await shop.post(`a=${"b".repeat(1024 * 1024 - 2)}`)).status);
      shop.browser.jar.removeAllCookiesSync();
    }
    expect(statuses.indexOf(401)).toBeGreaterThan(8);
    expect(statuses.slice(-2)).toEqual([401, 401]);
    expect(shop.log.filter((line) => line.includes("saves no more forms"))).toHaveLength(1);
    advanceDate(600_001);
    expect((await shop.post()).status).toBe(200);
  });
});

async function rawPost(
  { url }: Shop,
  headers: Record<string, string>,
  body: string,
): Promise<{ status: number }> {
  const { request } = await import("node:http");
  return new Promise((resolve, reject) => {
    const outgoing = request(`${url}/orders`, { method: "POST", headers }, (answer) => {
      answer.resume().on("end", () => resolve({ status: answer.statusCode ?? 0 }));
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

describe("a stored form", () => {
  async function start(shopOptions: ShopOptions = {}) {
    const store = observedStore(shopOptions.options?.clock);
    const shop = await startShop({ ...shopOptions, options: { store, ...shopOptions.options } });
    const read = async (key: string) => {
      const { version, text } = (await store.read(key)) ?? {};
      const content: { sealed?: string } | undefined = text === undefined ? undefined : JSON.parse(text);
      return { key, version, content };
    };
    const readAll = async () => Promise.all((await store.keys("f:")).map(read));
    const readFirst = async () => (await readAll())[0] ?? { key: "", version: undefined, content: undefined };
    const write = async (content: unknown) => {
      const { key, version } = await readFirst();
      await store.replace(key, version ?? 0, JSON.stringify(content));
    };
    return { ...shop, store, readAll, readFirst, write };
  }

  test("is encrypted under a hashed key, and no response contains its id", async () => {
    const { postAndLogIn, readFirst, store, browser, url } = await start();
    await postAndLogIn("password=correct+horse");
    const { key, content } = await readFirst();
    expect(key + JSON.stringify(content)).not.toMatch(/correct|horse|orders/);
    const [entry = ""] = await store.keys("s:");
    const { id } = JSON.parse((await store.readEntry(entry))?.app["portal_form"] ?? "{}");
    expect(id).toHaveLength(43);
    expect(key).not.toContain(id);
    for (const answer of browser.answers.filter((response) => response.url.startsWith(url)))
      expect(JSON.stringify(answer)).not.toContain(id);
  });

  test("is replaced by a mark after its arrival, and removed when the user discards it", async () => {
    const { postAndLogIn, readFirst, browser } = await start();
    await pressAndFollow(browser, getSendButton(await postAndLogIn()));
    expect((await readFirst()).content).not.toHaveProperty("sealed");
    const other = await start();
    await press(other.browser, getDiscardButton(await other.postAndLogIn()));
    expect((await other.readFirst()).content).toBeUndefined();
  });

  test("is discarded if it was changed, and nothing of it is shown", async () => {
    const { post, browser, readFirst, write, url } = await start();
    const callback = await browser.loginUntilCallback(getRefreshUrl(await post()));
    const { content } = await readFirst();
    const original = String(content?.sealed);
    const sealed = original.slice(0, -10) + (original.at(-10) === "A" ? "B" : "A") + original.slice(-9);
    await write({ ...content, sealed });
    expect((await browser.visit(callback)).body).toContain(GONE);
    expect((await readFirst()).content).toBeUndefined();
    expect(await (await browser.fetch(`${url}/test/session`)).body).not.toContain("portal_form");
  });

  test.each([
    {},
    null,
    { posted: "x", under_way: "1" },
    { posted: 1, under_way: 1, sealed: "x" },
    { posted: "x", under_way: 0, sealed: 2 },
  ])("is ignored if its record is invalid: %j", async (content) => {
    const { post, browser, write } = await start();
    const callback = await browser.loginUntilCallback(getRefreshUrl(await post()));
    await write(content);
    expect((await browser.visit(callback)).body).toContain(GONE);
  });

  test("cannot be replaced by the stored form of another session", async () => {
    const { post, browser, readFirst, write, readAll } = await start();
    const callback = await browser.loginUntilCallback(getRefreshUrl(await post()));
    const own = await readFirst();
    const other = new Browser();
    await other.navigate(`${new URL(callback).origin}/orders`, {
      method: "POST",
      site: "same-origin",
      form: { amount: "1000000" },
    });
    const foreign = (await readAll()).find(({ key }) => key !== own.key);
    expect(foreign?.content?.sealed).toBeDefined();
    await write({ ...own.content, sealed: foreign?.content?.sealed });
    expect((await browser.visit(callback)).body).toContain(GONE);
  });

  test("can be decrypted after a new secret was added in front", async () => {
    const { app, post, browser, store, provider, url } = await start();
    const callback = await browser.loginUntilCallback(getRefreshUrl(await post()));
    // The next process has a new secret in front of the old one.
    const nextInstance = portalAuth({
      ...getClientOptions({ provider, url }),
      profile: "tencent-ciam",
      secret: ["fedcba9876543210fedcba9876543210", SESSION_SECRET],
      store,
    });
    const stack = (app as unknown as { router: { stack: { handle: unknown }[] } }).router.stack;
    const layer = stack.find(({ handle }) => handle instanceof Function && "explain" in handle);
    if (layer) layer.handle = nextInstance;
    expect((await browser.visit(callback)).body).toContain("Submit the form");
  });

  test("expires ten minutes after it was saved or last shown", async () => {
    const { clock, later } = createClock();
    const { postAndLogIn, browser } = await start({ options: { clock } });
    const { url } = await postAndLogIn();
    for (const _ of [1, 2, 3]) {
      later(599);
      expect((await browser.navigate(url)).body).toContain("Submit the form");
    }
    later(600);
    expect((await browser.navigate(url)).body).toContain(GONE);
  });

  test("is neither sent nor lost while the store cannot write", async () => {
    const store = observedStore();
    const shop = await startShop({ options: { store }, log: [/session_store_failed/] });
    const page = await shop.postAndLogIn();
    const button = getSendButton(page);
    const { headers } = await press(shop.browser, button);
    store.fail("replace");
    const answer = await press(shop.browser, { ...button, to: new URL(headers.location ?? "", shop.url) });
    expect([answer.status, shop.orders]).toEqual([503, []]);
    expect((await press(shop.browser, button)).status).toBe(503);
    store.recover();
    expect(
      (await pressAndFollow(shop.browser, getSendButton(await shop.browser.navigate(page.url)))).body,
    ).toBe("order received");
  });

  test("has a session key that onLogin cannot set", async () => {
    const options = {
      hooks: {
        onLogin: ({ session }: { session: object }) => void Object.assign(session, { portal_form: {} }),
      },
    };
    const { url, browser, asked } = await startWorld({ options, log: [/hook_failed/] });
    expect((await browser.visit(`${url}/account`)).status).toBe(500);
    await vi.waitFor(() => expect(asked("/oauth2/revoke")).toHaveLength(1));
  });

  test.each([{ id: 1, back: 2 }, "text", null, { id: "x", back: "//evil.example" }])(
    "is ignored if the application has written an invalid session key: %j",
    async (planted) => {
      const shop = await startShop({
        after: (app) =>
          void app.get("/test/plant", (req, res) => {
            Object.assign(req.session, { portal_form: planted });
            res.end();
          }),
      });
      await shop.browser.visit(`${shop.url}/account`);
      await shop.browser.fetch(`${shop.url}/test/plant`);
      const button = {
        label: "",
        to: new URL(`${shop.url}/login/form?discard`),
        form: new URLSearchParams(),
      };
      expect((await press(shop.browser, button)).headers.location).toBe("/");
      await shop.browser.fetch(`${shop.url}/test/plant`);
      expect((await shop.post()).body).toBe("order received");
    },
  );
});

describe("while a form is saved", () => {
  test("another form passes the guard, also for the same URL, and the saved form stays", async () => {
    const shop = await startShop();
    const page = await shop.postAndLogIn();
    expect((await shop.post("item=new")).body).toBe("order received"); // no button was pressed yet
    await press(shop.browser, getSendButton(page));
    expect(
      (await shop.browser.navigate(`${shop.url}/thing`, { method: "POST", site: "same-origin" })).body,
    ).toBe("in");
    expect((await pressAndFollow(shop.browser, getSendButton(page))).body).toBe("order received");
    expect(shop.orders).toEqual(["item=new", BODY]);
    expect((await shop.post("item=later")).body).toBe("order received");
  });

  test("after a denied login the next login has no form", async () => {
    const shop = await startShop({ log: [/^\[express-portal-auth\] login_denied \(403\)/] });
    shop.browser.user = { deny: "1" };
    const denied = await shop.browser.visit(getRefreshUrl(await shop.post()));
    shop.browser.user = { sub: "amara-okafor" };
    expect(denied.status).toBeGreaterThanOrEqual(400);
    expect((await shop.browser.visit(`${shop.url}/login`, { site: "same-origin" })).url).toBe(`${shop.url}/`);
    expect((await shop.browser.navigate(`${shop.url}/login/form`)).body).toContain(GONE);
  });

  test("two tabs have one form each, and the page shows the form of the last login", async () => {
    const shop = await startShop();
    const firstTab = await shop.post("item=one");
    const secondTab = await shop.post("item=two");
    const page = await shop.browser.visit(getRefreshUrl(firstTab));
    expect(getSendButton(page).form.get("item")).toBe("one");
    expect(getSendButton(await shop.browser.visit(getRefreshUrl(secondTab))).form.get("item")).toBe("two");
  });

  test("a login does not return to the form page without a form", async () => {
    const { url, browser } = await startShop();
    expect((await browser.visit(`${url}/login?returnTo=/login/form`, { site: "same-origin" })).url).toBe(
      `${url}/`,
    );
  });
});

test("a POST in a session without a saved form passes synchronously", async () => {
  const shop = await startShop({
    after: (app) =>
      void app.post("/sync", (req, res) => {
        let passed = false;
        requireAuth({ keepForm: true })(req, res, () => {
          passed = true;
        });
        res.json(passed);
      }),
  });
  await shop.browser.visit(`${shop.url}/account`);
  expect(
    (await shop.browser.navigate(`${shop.url}/sync`, { method: "POST", site: "same-origin" })).body,
  ).toBe("true");
});

test.each([
  [{ keepForm: "yes" }],
  [{ keepForm: null }],
  [{ keepForm: { maxBytes: 0 } }],
  [{ keepForm: { maxBytes: 1.5 } }],
  [{ keepForm: { maxBytes: "10" } }],
  [{ keepForm: { maxBytes: 1024 * 1024 + 1 } }],
  [{ keepForm: { maxbytes: 10 } }],
])("%j is rejected at start-up", (options) => {
  expect(() => requireAuth(options as never)).toThrow(
    new TypeError("requireAuth: keepForm must be true, false or { maxBytes }, with 1 to 1048576 bytes"),
  );
});

function testWithStore(url: () => string): void {
  test("a form is saved and arrives once after several clicks", async () => {
    const shop = await startShop({ options: { store: url() } });
    const page = await shop.postAndLogIn();
    await press(shop.browser, getSendButton(page));
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => pressAndFollow(shop.browser, getSendButton(page))),
    );
    expect(answers.filter(({ body }) => body === "order received")).toHaveLength(1);
    expect(shop.orders).toEqual([BODY]);
    await shop.auth.close();
  });
}

describeWithRedis("on Redis", (redis) => testWithStore(() => redis().url));
describeWithPostgres("on PostgreSQL", (postgres) => testWithStore(() => postgres().url));
