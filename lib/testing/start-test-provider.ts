import type { Responder } from "./provider/fault-injection.js";
import {
  DEMO_USERS,
  type LocalProvider,
  type LocalProviderOptions,
  startLocalProvider,
} from "./provider/local-provider.js";
import { type SignInResult, signIn } from "./sign-in.js";

/** All of them can be left out. */
export type TestProviderOptions = Partial<LocalProviderOptions>;

/** A portal in this process, which acts as documented, and misbehaves on request. */
export interface TestProvider extends LocalProvider {
  /** What portalAuth() has to know of it; the redirect address is your app's. */
  readonly options: {
    /** Its address. */
    readonly issuer: string;
    /** How portalAuth() has to treat it. */
    readonly profile: "tencent-ciam" | "openid";
    /** Of the application that it knows. */
    readonly clientId: string;
    /** Of that application. */
    readonly clientSecret: string;
  };
  /** The same as environment variables. */
  readonly env: Readonly<Record<string, string>>;
  /** The token endpoint does not know the client, the next time or times: 401, and no body. */
  forgetClient(times?: number): void;
  /** The token endpoint takes no client secret, the next time or times: 401 invalid_client. */
  refuseClient(times?: number): void;
  /** The token endpoint takes no code or refresh token, the next time or times: 400 invalid_grant. */
  refuseGrant(times?: number): void;
  /** Who logs in next says no (access_denied), or the next few. */
  denyLogin(times?: number): void;
  /**
   * Goes through a whole login as a browser would, without one: from an address of the app that wants a login, to the
   * portal, and back. Gives the app's cookies and where it led.
   *
   * @param sub who logs in; default the first of `people`
   * @throws Error for somebody whom the portal has never known: whom it does
   */
  signIn(address: string | URL, sub?: string): Promise<SignInResult>;
}

const DEFAULT_CLIENT = { clientId: "test-app", clientSecret: "the-client-secret-of-the-test-app" };

/**
 * Starts a portal on a free port of 127.0.0.1: a real OpenID provider (oidc-provider, which your project has to install
 * for development), dressed as Tencent CIAM, or with `document: "full"` as any other. Without options it knows a client
 * `test-app`, and takes any http address on loopback as a redirect address. Refresh tokens rotate, and one that is used a
 * second time ends all that came of its login.
 *
 * @throws Error when oidc-provider is not installed: what to install
 * @throws TypeError for an unknown option
 */
export async function startTestProvider(options: TestProviderOptions = {}): Promise<TestProvider> {
  const {
    clientId = DEFAULT_CLIENT.clientId,
    clientSecret = DEFAULT_CLIENT.clientSecret,
    redirectUris,
  } = options;
  const provider = await startLocalProvider({
    anyLoopbackAddress: redirectUris === undefined,
    logoutRedirectUris: [],
    ...options,
    clientId,
    clientSecret,
    redirectUris: redirectUris ?? ["http://127.0.0.1/callback"],
  });
  const profile = options.document === "full" ? "openid" : "tencent-ciam";
  const { users: people = DEMO_USERS, issuerSuffix = "" } = options;
  const issuer = provider.issuer + issuerSuffix.replace("{tenantid}", "common");
  const known = people.map(({ sub }) => sub);
  const refuse = (status: number, error: string | undefined) => (times?: number) =>
    provider.answerNext(
      "/oauth2/token",
      (_req, res) => {
        const headers = error === undefined ? {} : { "content-type": "application/json;charset=UTF-8" };
        res.writeHead(status, headers).end(error && JSON.stringify({ error }));
      },
      times,
    );
  return {
    ...provider,
    options: { issuer, profile, clientId, clientSecret },
    env: {
      PORTAL_ISSUER: issuer,
      PORTAL_PROFILE: profile,
      PORTAL_CLIENT_ID: clientId,
      PORTAL_CLIENT_SECRET: clientSecret,
    },
    forgetClient: refuse(401, undefined),
    refuseClient: refuse(401, "invalid_client"),
    refuseGrant: refuse(400, "invalid_grant"),
    denyLogin: (times) => provider.answerNext("/oauth2/authorize", denyAuthorization, times),
    async signIn(address, sub = known[0] ?? "") {
      if (!known.includes(sub))
        throw new Error(`signIn: the portal knows no ${sub}, but ${known.join(", ")}`);
      return signIn(provider.issuer, address, sub);
    },
  };
}

/** RFC 6749, section 4.1.2.1. */
const denyAuthorization: Responder = (req, res) => {
  const { searchParams } = new URL(req.url ?? "/", "http://portal.invalid");
  const back = new URL(searchParams.get("redirect_uri") ?? "");
  back.searchParams.set("error", "access_denied");
  back.searchParams.set("state", searchParams.get("state") ?? "");
  res.writeHead(302, { location: back.href }).end();
};
