import type { Express, RequestHandler } from "express";
import express from "express";
import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import { portalAuth, type RequireAuthOptions, requireAuth } from "../../lib/index.js";
import { loginAs } from "../../lib/testing/login-as.js";
import { type Answer, type Ask, Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { describeWithPostgres, describeWithRedis } from "../support/servers/describe.js";
import { observedStore } from "../support/stored-sessions.js";
import {
  CLIENT_ID,
  CLIENT_SECRET,
  leadTo,
  SESSION_SECRET,
  startWorld,
  type World,
  type WorldOptions,
} from "../support/world.js";

const BODY = "item=tea&item=cups+%26+%22saucers%22&note=two%0D%0Alines+%E8%8C%B6&%3Cb%3E=&item=";
const URLENCODED = "application/x-www-form-urlencoded";

interface Shop extends World {
  /** What the app's handler got, in order. */
  readonly orders: string[];
  /** Posts the form as a page of the app does. */
  post(body?: string, ask?: Ask): Promise<Answer>;
  /** The same, and the login that follows: the page that asks. */
  postAndLogIn(body?: string, ask?: Ask): Promise<Answer>;
}

interface ShopOptions extends WorldOptions {
  guard?: RequireAuthOptions;
  /** Before the guard. */
  parser?: RequestHandler;
}

/** An app with a guarded form. Its handler keeps the body as it came. */
async function startShop({
  guard = { keepForm: true },
  parser,
  after,
  ...given
}: ShopOptions = {}): Promise<Shop> {
  const orders: string[] = [];
  const world = await startWorld({
    ...given,
    after: (app) => {
      const take: RequestHandler = (req, res) => {
        orders.push(typeof req.body === "string" ? req.body : JSON.stringify(req.body));
        res.send("taken");
      };
      const before = parser ? [parser] : [];
      app.post("/orders", ...before, requireAuth(guard), express.text({ type: URLENCODED }), take);
      app.all("/thing", requireAuth(guard), (_req, res) => void res.send("in"));
      app.get("/test/session", (req, res) => void res.json(req.session));
      after?.(app);
    },
  });
  const { url, browser } = world;
  const post = (body = BODY, { headers, ...ask }: Ask = {}) =>
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
      const callback = await browser.loginUntilCallback(wayOn(answer));
      const page = await browser.visit(callback, { site: "cross-site" });
      const again = wayOn(page); // of a session that is Strict: led by our own page
      return again ? browser.visit(new URL(again, page.url), { site: "same-origin" }) : page;
    },
  };
}

/** Where a page goes on to by itself. */
const wayOn = ({ headers }: Answer): string => {
  const [, to = ""] = /^0; url=(.+)$/.exec(String(headers["refresh"])) ?? [];
  return to;
};

const unescaped = (text: string) =>
  text.replace(
    /&(lt|gt|quot|amp|#39);/g,
    (_whole, name) => ({ lt: "<", gt: ">", quot: '"', amp: "&" })[String(name)] ?? "'",
  );

/** The buttons of a page: where each posts to, and what. */
function buttonsOf({ body, url }: Answer) {
  const forms = [
    ...body.matchAll(/<form method="post" action="([^"]+)">(.*?)<button class="button">([^<]+)</gs),
  ];
  return forms.map(([, action = "", inner = "", label]) => ({
    label,
    to: new URL(unescaped(action), url),
    form: new URLSearchParams(
      [...inner.matchAll(/name="([^"]*)" value="([^"]*)"/g)].map(
        ([, ...pair]) => pair.map(unescaped) as [string, string],
      ),
    ),
  }));
}

type Button = ReturnType<typeof buttonsOf>[number];

const press = (browser: Browser, { to, form }: Button, ask: Ask = {}) =>
  browser.navigate(to, { method: "POST", form, site: "same-origin", ...ask });

/** Presses a button, and repeats the POST where that is wanted: as a browser does. */
async function send(browser: Browser, button: Button): Promise<Answer> {
  const answer = await press(browser, button);
  const to = new URL(answer.headers.location ?? "", answer.url);
  return answer.status === 307
    ? press(browser, { ...button, to })
    : browser.navigate(to, { site: "same-origin" });
}

const first = (page: Answer): Button => buttonsOf(page)[0] as Button;
const GONE = "No form to submit";

const ownSession: WorldOptions["before"] = (app: Express) =>
  app.use(session({ secret: "the app's own", resave: true, saveUninitialized: false, rolling: true }));

describe.each<[string, WorldOptions]>([
  ["our session", {}],
  ["our session, in Express 4", { express: 4 }],
  ["our session that is Strict", { options: { sameSite: "strict" } }],
  ["the app's own session", { before: ownSession }],
  ["the app's own session, in Express 4", { before: ownSession, express: 4 }],
  [
    "the app's own session that is destroyed with req.session",
    {
      before: (app) =>
        app.use(session({ secret: "s", resave: false, saveUninitialized: false, unset: "destroy" })),
    },
  ],
])("with %s", (_whose, given) => {
  test("a form is kept, asked about after the login, and sent once, with the very same body", async () => {
    const shop = await startShop(given);
    const page = await shop.postAndLogIn();
    expect([page.status, page.url]).toEqual([200, `${shop.url}/login/form`]);
    expect(page.body).toContain("<h1>Submit your form?</h1>");
    expect(page.body).toContain("You are now signed in as amara-okafor.");
    expect(buttonsOf(page).map(({ label }) => label)).toEqual(["Submit the form", "Discard the form"]);
    expect(shop.orders).toEqual([]); // nothing by itself
    expect((await send(shop.browser, first(page))).body).toBe("taken");
    expect(shop.orders).toEqual([BODY]);
    expect((await send(shop.browser, first(page))).body).toContain(GONE);
    expect((await shop.browser.navigate(page.url)).body).toContain(GONE);
    expect(shop.orders).toEqual([BODY]);
    expect((await shop.me()).isAuthenticated).toBe(true);
  });

  test("it is not sent by who does not want it, who comes back to the page that it was on", async () => {
    const shop = await startShop(given);
    const page = await shop.postAndLogIn();
    const [now, not] = buttonsOf(page) as [Button, Button];
    const answer = await press(shop.browser, not);
    expect([answer.status, answer.headers.location]).toEqual([303, "/orders/new?of=today"]);
    expect((await send(shop.browser, now)).body).toContain(GONE);
    expect(shop.orders).toEqual([]);
  });

  test("a second click loses nothing, and sends nothing twice", async () => {
    const shop = await startShop(given);
    const page = await shop.postAndLogIn();
    const button = first(page);
    // the first click is overtaken by the second, and its redirect never followed
    expect((await press(shop.browser, button)).status).toBe(307);
    expect((await shop.browser.navigate(page.url)).body).toContain("Submit the form");
    const answers = await Promise.all([1, 2, 3].map(() => send(shop.browser, button)));
    expect(shop.orders).toEqual([BODY]);
    expect(answers.filter(({ body }) => body === "taken")).toHaveLength(1);
    expect((await send(shop.browser, button)).body).toContain(GONE);
  });
});

describe("the page", () => {
  test("is not lost by a reload, and the redirect to it neither", async () => {
    const shop = await startShop();
    const callback = await shop.browser.loginUntilCallback(wayOn(await shop.post()));
    for (const _ of [1, 2]) expect((await shop.browser.visit(callback)).body).toContain("Submit the form");
    expect(
      (await send(shop.browser, first(await shop.browser.navigate(`${shop.url}/login/form`)))).body,
    ).toBe("taken");
  });

  test("says who is signed in as they are called, which may be somebody else, and escapes all of it", async () => {
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

  test("speaks Chinese, and names the person whatever an app's own words leave out", async () => {
    const shop = await startShop({ options: { languages: { de: { formQuestion: "Formular senden?" } } } });
    const page = await shop.postAndLogIn();
    const told = async (language: string) =>
      (await shop.browser.navigate(page.url, { headers: { "accept-language": language } })).body;
    expect(await told("zh-CN")).toMatch(/要提交表单吗？[\s\S]*amara-okafor[\s\S]*提交表单/);
    expect(await told("de")).toContain("Formular senden? amara-okafor");
  });

  test("is for the session of that login alone, and for nobody who is not logged in", async () => {
    const shop = await startShop();
    const page = await shop.postAndLogIn();
    const other = new Browser();
    expect((await other.navigate(page.url)).body).toContain(GONE);
    await other.visit(`${shop.url}/account`);
    expect((await other.navigate(page.url)).body).toContain(GONE);
    expect((await send(other, first(page))).body).toContain(GONE);
    await shop.browser.navigate(`${shop.url}/logout`, { site: "same-origin" });
    expect((await send(shop.browser, first(page))).body).toContain(GONE);
    expect(shop.orders).toEqual([]);
  });

  test("is for nobody whose login has ended, though the app's own session lives on", async () => {
    const { clock, later } = createClock();
    const shop = await startShop({ before: ownSession, options: { clock, sessionAbsolute: 300 } });
    const page = await shop.postAndLogIn();
    later(300);
    expect((await shop.browser.navigate(page.url)).body).toContain(GONE);
    expect((await send(shop.browser, first(page))).body).toContain(GONE);
    expect(shop.orders).toEqual([]);
  });

  test("does nothing for another site: whoever posts there is asked first", async () => {
    const shop = await startShop();
    const page = await shop.postAndLogIn();
    const old = { old: true, headers: { origin: "https://evil.example" } };
    for (const button of buttonsOf(page))
      for (const ask of [
        { site: "cross-site" },
        { site: "same-site" },
        { site: "none" },
        old,
      ] satisfies Ask[]) {
        const { status, headers } = await press(shop.browser, button, ask);
        expect([status, headers.location]).toEqual([303, "/login/form"]);
      }
    expect((await shop.browser.navigate(page.url)).body).toContain("Submit the form");
    const own = { old: true, headers: { origin: shop.url } };
    expect((await press(shop.browser, first(page), own)).status).toBe(307);
  });

  test("is nothing to HEAD and to who loads ahead", async () => {
    const shop = await startShop();
    const { url } = await shop.postAndLogIn();
    expect((await shop.browser.navigate(url, { method: "HEAD" })).status).toBe(204);
    expect((await shop.browser.navigate(url, { headers: { "sec-purpose": "prefetch" } })).status).toBe(503);
  });
});

describe("the way back of who does not send it", () => {
  const backOf = async (shop: Shop, ask?: Ask) =>
    (await press(shop.browser, buttonsOf(await shop.postAndLogIn(BODY, ask))[1] as Button)).headers.location;

  test.each<[string, Ask, string]>([
    ["that tells no page", { headers: { referer: "" } }, "/"],
    ["of another origin", { headers: { referer: "https://evil.example/x" } }, "/"],
    ["of one that looks alike", { headers: { referer: "http://127.0.0.1:1.evil.example/" } }, "/"],
  ])("with a Referer %s leads to the root", async (_what, ask, to) => {
    expect(await backOf(await startShop(), ask)).toBe(to);
  });

  test("is what the guard says, and what onLogin says of that", async () => {
    const guard = { keepForm: true, returnTo: () => "/orders" };
    expect(await backOf(await startShop({ guard }))).toBe("/orders");
    expect(
      await backOf(await startShop({ guard, options: { hooks: { onLogin: leadTo("/welcome") } } })),
    ).toBe("/welcome");
  });

  test("that throws is answered as a failure", async () => {
    const returnTo = () => {
      throw new Error("no idea");
    };
    const shop = await startShop({ guard: { keepForm: true, returnTo }, log: [/no idea/] });
    expect((await shop.post()).status).toBe(500);
  });
});

describe("a form is kept", () => {
  test.each<[string, ShopOptions, string]>([
    ["of a browser that tells no sites but Origin", {}, BODY],
    ["that is empty", {}, ""],
    [
      "that express.urlencoded() has read",
      { parser: express.urlencoded({ extended: false }) },
      "a=1&b=2&b=%E8%8C%B6",
    ],
    ["that it has read with qs", { parser: express.urlencoded({ extended: true }) }, "a=1&b=2&b=%E8%8C%B6"],
    ["that express.text() has read", { parser: express.text({ type: URLENCODED }) }, BODY],
    ["that express.json() has left alone", { parser: express.json() }, BODY],
    ["as great as is allowed", { guard: { keepForm: { maxBytes: 10 } } }, "a=12345678"],
  ])("%s", async (what, options, body) => {
    const shop = await startShop(options);
    const old = what.includes("Origin") ? { old: true, headers: { origin: shop.url } } : {};
    expect(first(await shop.postAndLogIn(body, old)).form.toString()).toBe(body);
  });

  test("with a guard that wants a fresh token, where only a new login helps", async () => {
    const { clock, later } = createClock();
    const shop = await startShop({
      guard: { keepForm: true, freshToken: true },
      options: { clock },
      log: [/refresh_refused/],
    });
    await shop.browser.visit(`${shop.url}/account`);
    expect((await shop.post()).body).toBe("taken");
    later(301);
    shop.provider.answerNext("/oauth2/token", (_req, res) =>
      res.writeHead(400, { "content-type": "application/json" }).end('{"error":"invalid_grant"}'),
    );
    const page = await shop.postAndLogIn();
    expect((await send(shop.browser, first(page))).body).toBe("taken");
    expect(shop.orders).toEqual([BODY, BODY]);
  });

  test("below a mount, and at a route of its own", async () => {
    const shop = await startShop({ mount: "/orders", options: { routes: { form: "/sent/on" } } });
    const page = await shop.postAndLogIn();
    expect(page.url).toBe(`${shop.url}/orders/sent/on`);
    expect((await send(shop.browser, first(page))).body).toBe("taken");
  });

  test("at the portalAuth() of a name, whose session is beside the app's", async () => {
    let staff: RequestHandler = (_req, _res, next) => next();
    const shop = await startShop({
      guard: { keepForm: true, portal: "staff" },
      before: (app) => app.use((req, res, next) => staff(req, res, next)),
      portal: { redirectUris: ["http://127.0.0.1:1/callback"] },
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

test("a form is not kept where the route is turned off, which is told", async () => {
  const shop = await startShop({ options: { routes: { form: false } }, log: [/routes\.form is false/] });
  for (let n = 0; n < 2; n += 1) expect((await shop.post(BODY)).status).toBe(401);
  expect(shop.log).toHaveLength(1);
});

describe("a form is not kept, and no login begins", () => {
  const cases: [string, ShopOptions, string | undefined, Ask][] = [
    ["where the guard does not say so", { guard: {} }, BODY, {}],
    ["that another site has posted", {}, BODY, { site: "cross-site" }],
    ["that another host of this site has posted", {}, BODY, { site: "same-site" }],
    ["that no page has posted", {}, BODY, { site: "none" }],
    [
      "that says it is from here by Origin, and by Sec-Fetch-Site that it is not",
      {},
      BODY,
      { site: "cross-site", headers: { origin: "SELF" } },
    ],
    [
      "of an old browser and another origin",
      {},
      BODY,
      { old: true, headers: { origin: "https://evil.example" } },
    ],
    ["of an old browser that tells no origin", {}, BODY, { old: true }],
    ["of an old browser with an origin of null", {}, BODY, { old: true, headers: { origin: "null" } }],
    [
      "that a script has posted",
      {},
      BODY,
      { headers: { "sec-fetch-mode": "cors", "sec-fetch-dest": "empty" } },
    ],
    ["that a frame has posted", {}, BODY, { headers: { "sec-fetch-dest": "iframe" } }],
    ["that was put", {}, BODY, { method: "PUT" }],
    ["that may hold files", {}, BODY, { headers: { "content-type": "multipart/form-data; boundary=x" } }],
    ["that is too great", { guard: { keepForm: { maxBytes: 10 } } }, "a=123456789", {}],
    [
      "that is too great, and read before",
      { guard: { keepForm: { maxBytes: 10 } }, parser: express.urlencoded({ extended: false }) },
      "a=123456789",
      {},
    ],
    ["that is greater than the default", {}, `a=${"b".repeat(64 * 1024)}`, {}],
    [
      "whose body has gone into objects",
      { parser: express.urlencoded({ extended: true }) },
      "a%5Bb%5D=1",
      {},
    ],
    [
      "whose body has lost what a list was",
      { parser: express.urlencoded({ extended: true }) },
      "a%5B%5D=1",
      {},
    ],
    ["with a field that has no name", {}, "=1", {}],
    ["with a NUL, which a page cannot hold", {}, "a=%00", {}],
    ["with a line's end that a page would write otherwise", {}, "a=b%0Ac", {}],
    ["with another charset", {}, "_charset_=gbk", {}],
    ["for an address that is too long to come back to", {}, BODY, { headers: { "x-long": "1" } }],
  ];

  test.each(cases)("%s", async (_what, options, body, ask) => {
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

  test("whose bytes are no UTF-8, or come without a length", async () => {
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

  test("while the portal is down: the person is told so, and nothing is stored", async () => {
    const store = observedStore();
    const shop = await startShop({ options: { store }, log: [/portal_unreachable/] });
    shop.provider.goDown();
    const { status, body } = await shop.post();
    expect([status, await store.keys("")]).toEqual([503, []]);
    expect(body).toContain("/login?returnTo=%2Forders%2Fnew%3Fof%3Dtoday");
  });

  test("while the store is down", async () => {
    const store = observedStore();
    store.fail("create");
    const shop = await startShop({ options: { store }, log: [/session_store_failed/] });
    const broken = await shop.post();
    expect([broken.status, shop.log.filter((line) => line.includes("session_store_failed")).length]).toEqual([
      401, 1,
    ]);
  });

  test("where too many are kept already, which the log says once", async () => {
    const shop = await startShop({
      guard: { keepForm: { maxBytes: 1024 * 1024 } },
      log: [/keeps no more forms/],
    });
    const statuses: number[] = [];
    for (let n = 0; n < 14; n += 1) {
      statuses.push((await shop.post(`a=${"b".repeat(1024 * 1024 - 2)}`)).status);
      shop.browser.jar.removeAllCookiesSync();
    }
    expect(statuses.indexOf(401)).toBeGreaterThan(8);
    expect(statuses.slice(-2)).toEqual([401, 401]);
    expect(shop.log.filter((line) => line.includes("keeps no more forms"))).toHaveLength(1);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 600_001 });
    try {
      expect((await shop.post()).status).toBe(200);
    } finally {
      vi.useRealTimers();
    }
  });
});

async function rawPost(
  { url }: Shop,
  headers: Record<string, string>,
  body: string,
): Promise<{ status: number }> {
  const { request } = await import("node:http");
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/orders`, { method: "POST", headers }, (answer) => {
      answer.resume().on("end", () => resolve({ status: answer.statusCode ?? 0 }));
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

describe("what is stored", () => {
  async function start(given: ShopOptions = {}) {
    const store = observedStore(given.options?.clock);
    const shop = await startShop({ ...given, options: { store, ...given.options } });
    const read = async (key: string) => {
      const { version, text } = (await store.read(key)) ?? {};
      const content: { sealed?: string } | undefined = text === undefined ? undefined : JSON.parse(text);
      return { key, version, content };
    };
    const readAll = async () => Promise.all((await store.keys("f:")).map(read));
    const recordOf = async () => (await readAll())[0] ?? { key: "", version: undefined, content: undefined };
    const write = async (content: unknown) => {
      const { key, version } = await recordOf();
      await store.replace(key, version ?? 0, JSON.stringify(content));
    };
    return { ...shop, store, readAll, recordOf, write };
  }

  test("says nothing of the form, under a name that says nothing, and the key stands in no answer", async () => {
    const { postAndLogIn, recordOf, store, browser, url } = await start();
    await postAndLogIn("password=correct+horse");
    const { key, content } = await recordOf();
    expect(key + JSON.stringify(content)).not.toMatch(/correct|horse|orders/);
    const [entry = ""] = await store.keys("s:");
    const { id: kept } = JSON.parse((await store.readEntry(entry))?.app["portal_form"] ?? "{}");
    expect(kept).toHaveLength(43);
    expect(key).not.toContain(kept);
    for (const answer of browser.answers.filter((one) => one.url.startsWith(url)))
      expect(JSON.stringify(answer)).not.toContain(kept);
  });

  test("is gone but for a mark when it has arrived, and altogether when it is not wanted", async () => {
    const { postAndLogIn, recordOf, browser } = await start();
    await send(browser, first(await postAndLogIn()));
    expect((await recordOf()).content).not.toHaveProperty("sealed");
    const other = await start();
    await press(other.browser, buttonsOf(await other.postAndLogIn())[1] as Button);
    expect((await other.recordOf()).content).toBeUndefined();
  });

  test("that was changed is dropped, and nothing of it told", async () => {
    const { post, browser, recordOf, write, url } = await start();
    const callback = await browser.loginUntilCallback(wayOn(await post()));
    const { content } = await recordOf();
    const whole = String(content?.sealed);
    const sealed = whole.slice(0, -10) + (whole.at(-10) === "A" ? "B" : "A") + whole.slice(-9);
    await write({ ...content, sealed });
    expect((await browser.visit(callback)).body).toContain(GONE);
    expect((await recordOf()).content).toBeUndefined();
    expect(await (await browser.fetch(`${url}/test/session`)).body).not.toContain("portal_form");
  });

  test.each([
    {},
    null,
    { posted: "x", under_way: "1" },
    { posted: 1, under_way: 1, sealed: "x" },
    { posted: "x", under_way: 0, sealed: 2 },
  ])("that is none of ours is none: %j", async (content) => {
    const { post, browser, write } = await start();
    const callback = await browser.loginUntilCallback(wayOn(await post()));
    await write(content);
    expect((await browser.visit(callback)).body).toContain(GONE);
  });

  test("of another form opens nothing in its place", async () => {
    const { post, browser, recordOf, write, readAll } = await start();
    const callback = await browser.loginUntilCallback(wayOn(await post()));
    const mine = await recordOf();
    const other = new Browser();
    await other.navigate(`${new URL(callback).origin}/orders`, {
      method: "POST",
      site: "same-origin",
      form: { amount: "1000000" },
    });
    const theirs = (await readAll()).find(({ key }) => key !== mine.key);
    expect(theirs?.content?.sealed).toBeDefined();
    await write({ ...mine.content, sealed: theirs?.content?.sealed });
    expect((await browser.visit(callback)).body).toContain(GONE);
  });

  test("by a secret that is no longer the first still opens", async () => {
    const { app, post, browser, store, provider, url } = await start();
    const callback = await browser.loginUntilCallback(wayOn(await post()));
    // the process is replaced by one with a new secret in front
    const later = portalAuth({
      issuer: provider.issuer,
      profile: "tencent-ciam",
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      redirectUri: `${url}/callback`,
      secret: ["fedcba9876543210fedcba9876543210", SESSION_SECRET],
      store,
    });
    const stack = (app as unknown as { router: { stack: { handle: unknown }[] } }).router.stack;
    const layer = stack.find(({ handle }) => handle instanceof Function && "explain" in handle);
    if (layer) layer.handle = later;
    expect((await browser.visit(callback)).body).toContain("Submit the form");
  });

  test("is kept for ten minutes, and for as long again from when it was shown", async () => {
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

  test("that cannot be written lets nothing arrive, and nothing be lost", async () => {
    const store = observedStore();
    const shop = await startShop({ options: { store }, log: [/session_store_failed/] });
    const page = await shop.postAndLogIn();
    const button = first(page);
    const { headers } = await press(shop.browser, button);
    store.fail("replace");
    const answer = await press(shop.browser, { ...button, to: new URL(headers.location ?? "", shop.url) });
    expect([answer.status, shop.orders]).toEqual([503, []]);
    expect((await press(shop.browser, button)).status).toBe(503);
    store.recover();
    expect((await send(shop.browser, first(await shop.browser.navigate(page.url)))).body).toBe("taken");
  });

  test("is no key that an application can hand over", async () => {
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
    "is not believed where an application has written it: %j",
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
      expect((await shop.post()).body).toBe("taken");
    },
  );
});

describe("meanwhile", () => {
  test("another form, and the same one filled in anew, pass the guard; the one that waits is still there", async () => {
    const shop = await startShop();
    const page = await shop.postAndLogIn();
    expect((await shop.post("item=new")).body).toBe("taken"); // not yet released
    await press(shop.browser, first(page));
    expect(
      (await shop.browser.navigate(`${shop.url}/thing`, { method: "POST", site: "same-origin" })).body,
    ).toBe("in");
    expect((await send(shop.browser, first(page))).body).toBe("taken");
    expect(shop.orders).toEqual(["item=new", BODY]);
    expect((await shop.post("item=later")).body).toBe("taken");
  });

  test("a login that is denied sends nothing, and the next one knows of no form", async () => {
    const shop = await startShop({ log: [/^\[express-portal-auth\] login_denied \(403\)/] }); // with the provider's reason
    shop.browser.person = { deny: "1" };
    const denied = await shop.browser.visit(wayOn(await shop.post()));
    shop.browser.person = { sub: "amara-okafor" };
    expect(denied.status).toBeGreaterThanOrEqual(400);
    expect((await shop.browser.visit(`${shop.url}/login`, { site: "same-origin" })).url).toBe(`${shop.url}/`);
    expect((await shop.browser.navigate(`${shop.url}/login/form`)).body).toContain(GONE);
  });

  test("two tabs have a form each, with the login that came last", async () => {
    const shop = await startShop();
    const [one, other] = [await shop.post("item=one"), await shop.post("item=two")];
    const page = await shop.browser.visit(wayOn(one));
    expect(first(page).form.get("item")).toBe("one");
    expect(first(await shop.browser.visit(wayOn(other))).form.get("item")).toBe("two");
  });

  test("no login returns to our page by itself", async () => {
    const { url, browser } = await startShop();
    expect((await browser.visit(`${url}/login?returnTo=/login/form`, { site: "same-origin" })).url).toBe(
      `${url}/`,
    );
  });
});

test("a guard without forms, or a session without one, waits for nothing", async () => {
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
])("%j is refused when the app starts", (options) => {
  expect(() => requireAuth(options as never)).toThrow(
    new TypeError("requireAuth: keepForm must be true, false or { maxBytes }, with 1 to 1048576 bytes"),
  );
});

function onServer(url: () => string): void {
  test("a form is kept there, and arrives once, whatever is clicked", async () => {
    const shop = await startShop({ options: { store: url() } });
    const page = await shop.postAndLogIn();
    await press(shop.browser, first(page));
    const answers = await Promise.all(Array.from({ length: 8 }, () => send(shop.browser, first(page))));
    expect(answers.filter(({ body }) => body === "taken")).toHaveLength(1);
    expect(shop.orders).toEqual([BODY]);
    await shop.auth.close();
  });
}

describeWithRedis("on Redis", (redis) => onServer(() => redis().url));
describeWithPostgres("on PostgreSQL", (postgres) => onServer(() => postgres().url));
