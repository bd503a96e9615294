import type { Responder } from "./provider/fault-injection.js";
import {
  DEMO_USERS,
  type LocalProvider,
  type LocalProviderOptions,
  startLocalProvider,
} from "./provider/local-provider.js";
import { type SignInResult, signIn } from "./sign-in.js";

/** Options of startTestProvider(). All of them are optional. */
export type TestProviderOptions = Partial<LocalProviderOptions>;

/** An OpenID provider in this process. It behaves as documented, and produces failures on request. */
export interface TestProvider extends LocalProvider {
  /** Options for portalAuth(). Add the `redirectUri` of your app. */
  readonly options: {
    /** The issuer identifier. */
    readonly issuer: string;
    /** The provider profile. */
    readonly profile: "tencent-ciam" | "openid";
    /** The client ID of the registered application. */
    readonly clientId: string;
    /** The client secret of that application. */
    readonly clientSecret: string;
  };
  /** The same settings as environment variables. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * Rejects the client at the token endpoint as unknown: 401 without a body.
   *
   * @param times number of requests that get this response. Default 1
   */
  forgetClient(times?: number): void;
  /**
   * Rejects the client secret at the token endpoint: 401 `invalid_client`.
   *
   * @param times number of requests that get this response. Default 1
   */
  refuseClient(times?: number): void;
  /**
   * Rejects the code or the refresh token at the token endpoint: 400 `invalid_grant`.
   *
   * @param times number of requests that get this response. Default 1
   */
  refuseGrant(times?: number): void;
  /**
   * Ends logins with `access_denied`, as if the user had denied them.
   *
   * @param times number of logins that end this way. Default 1
   */
  denyLogin(times?: number): void;
  /**
   * Performs a whole login without a browser. It follows the redirects from the app to the provider and back,
   * and returns the app's cookies and its last response.
   *
   * @param startUrl a URL of the app that starts a login, such as a guarded page or `/login`
   * @param sub the user. Default: the first of the option `users`
   * @throws Error if the provider does not know this user. The message lists the known users
   */
  signIn(startUrl: string | URL, sub?: string): Promise<SignInResult>;
}

const DEFAULT_CLIENT = { clientId: "test-app", clientSecret: "the-client-secret-of-the-test-app" };

/**
 * Starts a test provider on a free port of 127.0.0.1. It is a real OpenID provider, based on the package
 * oidc-provider, which your project must install as a development dependency. It behaves like Tencent CIAM,
 * or with `document: "full"` like any other OpenID provider.
 *
 * Without options it has one client, `test-app`, and accepts any loopback http URL as a redirect URI. Refresh
 * tokens rotate. If a refresh token is used twice, all tokens of its login are revoked.
 *
 * @throws Error if oidc-provider is not installed. The message contains the command that installs it
 * @throws TypeError if an option is unknown
 */
export async function startTestProvider(options: TestProviderOptions = {}): Promise<TestProvider> {
  const { redirectUris } = options;
  const { clientId = DEFAULT_CLIENT.clientId, clientSecret = DEFAULT_CLIENT.clientSecret } = options;
  const provider = await startLocalProvider({
    anyLoopbackAddress: redirectUris === undefined,
    logoutRedirectUris: [],
    ...options,
    clientId,
    clientSecret,
    redirectUris: redirectUris ?? ["http://127.0.0.1/callback"],
  });
  const profile = options.document === "full" ? "openid" : "tencent-ciam";
  const issuer = provider.issuer + (options.issuerSuffix ?? "").replace("{tenantid}", "common");
  const subs = (options.users ?? DEMO_USERS).map((user) => user.sub);
  return {
    ...provider,
    options: { issuer, profile, clientId, clientSecret },
    env: {
      PORTAL_ISSUER: issuer,
      PORTAL_PROFILE: profile,
      PORTAL_CLIENT_ID: clientId,
      PORTAL_CLIENT_SECRET: clientSecret,
    },
    forgetClient: (times) => provider.answerNext("/oauth2/token", rejectWith(401), times),
    refuseClient: (times) => provider.answerNext("/oauth2/token", rejectWith(401, "invalid_client"), times),
    refuseGrant: (times) => provider.answerNext("/oauth2/token", rejectWith(400, "invalid_grant"), times),
    denyLogin: (times) => provider.answerNext("/oauth2/authorize", denyAuthorization, times),
    async signIn(startUrl, sub = subs[0] ?? "") {
      if (!subs.includes(sub))
        throw new Error(`signIn: the test provider has no user ${sub}. Its users are: ${subs.join(", ")}`);
      return signIn(provider.issuer, startUrl, sub);
    },
  };
}

/** Returns a responder that sends an error of the token endpoint. Without `error` the body is empty. */
const rejectWith =
  (status: number, error?: string): Responder =>
  (_req, res) => {
    const headers = error === undefined ? {} : { "content-type": "application/json;charset=UTF-8" };
    res.writeHead(status, headers).end(error && JSON.stringify({ error }));
  };

/** Redirects to the application with `access_denied` (RFC 6749, section 4.1.2.1). */
const denyAuthorization: Responder = (req, res) => {
  const { searchParams } = new URL(req.url ?? "/", "http://provider.invalid");
  const redirectUrl = new URL(searchParams.get("redirect_uri") ?? "");
  redirectUrl.searchParams.set("error", "access_denied");
  redirectUrl.searchParams.set("state", searchParams.get("state") ?? "");
  res.writeHead(302, { location: redirectUrl.href }).end();
};
