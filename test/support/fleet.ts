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
import { CLIENT_ID, CLIENT_SECRET, expectNothingSecret, getClientOptions } from "./world.js";

export interface FleetOptions {
  provider?: Partial<LocalProviderOptions>;
  options?: AppSettings["options"];
  session?: AppSettings["session"];
}

export interface Me {
  isAuthenticated: boolean;
  claims?: Record<string, unknown>;
  tokens?: TokenSet;
}

export interface Fleet<Count extends number> {
  /** The URL of the first process, which handles all callbacks. */
  readonly url: string;
  readonly apps: Several<Count>;
  /** The settings of every process. */
  readonly settings: AppSettings;
  readonly provider: LocalProvider;
  readonly browser: Browser;
  /**
   * Returns what a process knows about the user of this browser. Like the next two, it rejects unless the
   * status is 200.
   */
  me(app: AppProcess, browser?: Browser): Promise<Me>;
  /** Returns the access token of this user at a process. */
  token(app: AppProcess, browser?: Browser): Promise<string>;
  /** Returns what the app has stored in the session of this user. */
  session(app: AppProcess, browser?: Browser): Promise<Record<string, unknown>>;
  /** Starts further processes. */
  startMore<More extends number>(count: More): Promise<Several<More>>;
  /** Returns the requests that the provider has received at this path. */
  asked(path: string): LocalProvider["requests"];
}

/**
 * Starts several processes of one app, a provider and a browser. They are closed when the test ends. All
 * processes have the same settings, so every login finishes at the first process. All ports of a host share
 * their cookies, so all processes find the session if they share a store. As in startWorld(), responses and
 * logs may contain no secrets.
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
  const urls = { redirectUris: [`${url}/callback`], logoutRedirectUris: [`${url}/`] };
  const provider = await startLocalProvider({ ...client, ...urls, ...given.provider });
  onTestFinished(() => provider.close());

  const options = {
    ...getClientOptions({ provider, url }),
    profile: "tencent-ciam",
    ...given.options,
  };
  const settings: AppSettings = { options, session: given.session };
  await beginAll(running, settings);
  onTestFinished(async () => {
    await releaseAll(running); // completes the logs
    for (const app of running) expectNoTokens(app, browser, provider);
  });

  const fetchJson = async (app: AppProcess, path: string, userBrowser: Browser) => {
    const { status, body } = await userBrowser.fetch(app.url + path);
    if (status !== 200) throw new Error(`${path} of process ${app.pid} returned ${status}: ${body}`);
    return JSON.parse(body);
  };
  return {
    url,
    apps: apps as Several<Count>,
    settings,
    provider,
    browser,
    me: (app, userBrowser = browser) => fetchJson(app, "/test/me", userBrowser),
    token: async (app, userBrowser = browser) => (await fetchJson(app, "/token", userBrowser)).access_token,
    session: (app, userBrowser = browser) => fetchJson(app, "/session", userBrowser),
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

/** Expects that tokens appear only in the responses that show them to tests. */
function expectNoTokens({ url, log }: AppProcess, { answers }: Browser, provider: LocalProvider): void {
  const isShown = (path: string) => ["/test/me", "/token"].includes(path);
  const shown = answers.filter(
    (response) => isShown(new URL(response.url).pathname) && response.status === 200,
  );
  const seenTokens = new Set(shown.flatMap(({ body }) => tokensIn(JSON.parse(body))));
  const others = answers.filter((response) => !shown.includes(response));
  expectNothingSecret({ url, log, provider, seenTokens, browser: { answers: others } });
}

function tokensIn({ access_token, tokens }: { access_token?: string; tokens?: TokenSet }): string[] {
  const all = [access_token, tokens?.access_token, tokens?.refresh_token, tokens?.id_token];
  return all.filter((token) => token !== undefined);
}
