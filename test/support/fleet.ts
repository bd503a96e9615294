import { onTestFinished } from "vitest";
import type { TokenSet } from "../../lib/index.js";
import {
  type LocalProvider,
  type LocalProviderOptions,
  startLocalProvider,
} from "../../lib/testing/provider/local-provider.js";
import {
  type AppProcess,
  type AppSettings,
  beginAll,
  forkApps,
  type Several,
  startApps,
} from "./app-process.js";
import { Browser } from "./browser.js";
import { CLIENT_ID, CLIENT_SECRET, expectNothingSecret, SESSION_SECRET } from "./world.js";

export interface FleetOptions {
  portal?: Partial<LocalProviderOptions>;
  options?: AppSettings["options"];
  session?: AppSettings["session"];
}

export interface Me {
  isAuthenticated: boolean;
  claims?: Record<string, unknown>;
  tokens?: TokenSet;
}

export interface Fleet<Count extends number> {
  /** Of the first process, where the portal sends everybody back to. */
  readonly url: string;
  readonly apps: Several<Count>;
  /** What each of them was started with. */
  readonly settings: AppSettings;
  readonly portal: LocalProvider;
  readonly browser: Browser;
  /** What a process knows of the person who uses this browser. These three want an answer with status 200. */
  me(app: AppProcess, browser?: Browser): Promise<Me>;
  /** The access token that the process gets for them. */
  token(app: AppProcess, browser?: Browser): Promise<string>;
  /** What the app keeps in their session. */
  session(app: AppProcess, browser?: Browser): Promise<Record<string, unknown>>;
  /** Further processes, as when one is replaced. */
  startMore<More extends number>(count: More): Promise<Several<More>>;
  /** Requests that the portal got at this path. */
  asked(path: string): LocalProvider["requests"];
}

/**
 * Several processes of one app, their portal and a browser; all gone when the test ends. As behind one address all have
 * the same settings, so that a login ends at the first process, wherever it began. A cookie is for a host and whatever
 * port: who has logged in is known to all, if they share a store. What must not be told is looked for as in startWorld().
 */
export async function startFleet<Count extends number>(
  count: Count,
  given: FleetOptions = {},
): Promise<Fleet<Count>> {
  const browser = new Browser();
  const apps = forkApps(count);
  const running = [...apps];
  onTestFinished(() => releaseAll(running));

  const [url = ""] = await Promise.all(running.map((app) => app.listening));
  const client = { clientId: CLIENT_ID, clientSecret: CLIENT_SECRET };
  const redirectUri = `${url}/callback`;
  const addresses = { redirectUris: [redirectUri], logoutRedirectUris: [`${url}/`] };
  const provider = await startLocalProvider({ ...client, ...addresses, ...given.portal });
  onTestFinished(() => provider.close());

  const { issuer } = provider;
  const options = {
    issuer,
    profile: "tencent-ciam",
    ...client,
    redirectUri,
    secret: SESSION_SECRET,
    ...given.options,
  };
  const settings: AppSettings = { options, session: given.session };
  await beginAll(running, settings);
  onTestFinished(async () => {
    await releaseAll(running); // by then the logs are whole
    for (const app of running) expectNothingTold(app, browser, provider);
  });

  const ask = async (app: AppProcess, path: string, who: Browser) => {
    const { status, body } = await who.fetch(app.url + path);
    if (status !== 200) throw new Error(`${path} of process ${app.pid} answered ${status}: ${body}`);
    return JSON.parse(body);
  };
  return {
    url,
    apps: apps as Several<Count>,
    settings,
    portal: provider,
    browser,
    me: (app, who = browser) => ask(app, "/test/me", who),
    token: async (app, who = browser) => (await ask(app, "/token", who)).access_token,
    session: (app, who = browser) => ask(app, "/session", who),
    async startMore(more) {
      const added = await startApps(more, settings);
      running.push(...(added as AppProcess[]));
      return added;
    },
    asked: (path) => provider.requests.filter((request) => request.path === path),
  };
}

async function releaseAll(apps: AppProcess[]): Promise<void> {
  await Promise.all(apps.map((app) => app.release()));
}

/** The tokens that the app has shown on purpose, so that a test can look at them, are nowhere else. */
function expectNothingTold({ url, log }: AppProcess, { answers }: Browser, provider: LocalProvider): void {
  const isShown = (path: string) => ["/test/me", "/token"].includes(path);
  const shown = answers.filter((answer) => isShown(new URL(answer.url).pathname) && answer.status === 200);
  const seenTokens = new Set(shown.flatMap(({ body }) => tokensIn(JSON.parse(body))));
  const others = answers.filter((answer) => !shown.includes(answer));
  expectNothingSecret({ url, log, portal: provider, seenTokens, browser: { answers: others } });
}

function tokensIn({ access_token, tokens }: { access_token?: string; tokens?: TokenSet }): string[] {
  const all = [access_token, tokens?.access_token, tokens?.refresh_token, tokens?.id_token];
  return all.filter((token) => token !== undefined);
}
