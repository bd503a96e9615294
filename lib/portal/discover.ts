import * as oidc from "openid-client";
import { epochSeconds } from "../clock.js";
import { PortalAuthError } from "../errors.js";
import { isSafeAddress } from "../safe-address.js";
import type { Settings } from "../settings/settings.js";
import { withoutSlash } from "../without-slash.js";
import { clientSecretBasic } from "./client-secret-basic.js";
import { explainFailure } from "./explain-failure.js";
import { createFetch } from "./http.js";
import { createVerifier, type VerifySignature } from "./keys.js";
import { tolerantOfTokenAnswers } from "./token-answer.js";

const RENEW_AFTER_SECONDS = 60 * 60;
const RETRY_RENEWAL_SECONDS = 60;

/** The portal as it was discovered, ready to be talked to. */
export interface Portal {
  readonly settings: Settings;
  readonly configuration: oidc.Configuration;
  readonly metadata: Readonly<oidc.ServerMetadata>;
  readonly verifySignature: VerifySignature;
  /** The same for a token that anybody may have sent. */
  readonly verifySentToken: VerifySignature;
}

/** The portal, discovered at the first call. */
export type GetPortal = () => Promise<Portal>;

/**
 * Discovery happens when the first login needs it, once for all that wait, and is remembered. After an hour it is
 * renewed while the old answer still serves, so that a portal that is down then disturbs nobody. A failure is not
 * remembered: the next login tries again.
 */
export function createDiscovery(settings: Settings): GetPortal {
  let known: Portal | undefined;
  let renewAt = 0;
  let pending: Promise<Portal> | undefined;

  function renew(): Promise<Portal> {
    pending ??= discover(settings)
      .then((portal) => {
        known = portal;
        renewAt = epochSeconds() + RENEW_AFTER_SECONDS;
        return portal;
      })
      .finally(() => {
        pending = undefined;
      });
    return pending;
  }

  return async function getPortal() {
    if (!known) return renew();
    if (epochSeconds() >= renewAt) {
      renewAt = epochSeconds() + RETRY_RENEWAL_SECONDS;
      renew().catch(() => {}); // the old one still serves
    }
    return known;
  };
}

async function discover(settings: Settings): Promise<Portal> {
  const { issuer, clientId, clientSecret, clientAuth, httpTimeout } = settings;
  const fetch = createFetch(httpTimeout);
  const overHttp = issuer.startsWith("http:") ? [oidc.allowInsecureRequests] : []; // loopback only: checks.ts saw to it
  const found = await oidc
    .discovery(new URL(issuer), clientId, undefined, oidc.None(), { [oidc.customFetch]: fetch, execute: overHttp })
    .catch((error) => {
      throw explainFailure(error, "discovery");
    });
  const metadata = complete(found.serverMetadata(), settings);
  const auth = {
    client_secret_post: oidc.ClientSecretPost,
    client_secret_basic: clientSecretBasic,
    none: oidc.None,
  };
  // An ID token's times are checked by checkTimes(): openid-client throws away the whole answer of a portal whose clock
  // is wrong, and with it a refresh token that is the only good one.
  const client = { client_secret: clientSecret, [oidc.clockTolerance]: ANY_TIME } as Partial<oidc.ClientMetadata>;
  const configuration = new oidc.Configuration(metadata, clientId, client, auth[clientAuth](clientSecret as string));
  for (const allow of overHttp) allow(configuration);
  configuration[oidc.customFetch] = tolerantOfTokenAnswers(fetch, metadata.token_endpoint);
  configuration.timeout = 0; // ours covers the reading of the body as well
  const { jwks_uri = "", id_token_signing_alg_values_supported: algorithms } = metadata;
  return {
    settings,
    configuration,
    metadata,
    verifySignature: createVerifier(jwks_uri, algorithms, fetch),
    verifySentToken: createVerifier(jwks_uri, algorithms, fetch, SENT_TOKENS_COOLDOWN_MS),
  };
}

/** So often at most a stranger's token has the portal asked for its keys. */
const SENT_TOKENS_COOLDOWN_MS = 30_000;

/** In seconds, as openid-client's clock tolerance. */
const ANY_TIME = Number.MAX_SAFE_INTEGER;

const REQUIRED = ["authorization_endpoint", "token_endpoint", "jwks_uri"];
const OPTIONAL = ["userinfo_endpoint", "revocation_endpoint", "end_session_endpoint"];

/** What the options say wins over discovery, and discovery over the profile. */
function complete(found: oidc.ServerMetadata, settings: Settings): oidc.ServerMetadata {
  const { userinfo, revocation, logout } = settings.profile.endpoints;
  const below = (path: string | undefined) => path && withoutSlash(settings.issuer) + path;
  const addresses = {
    userinfo_endpoint: settings.userinfoUrl ?? found.userinfo_endpoint ?? below(userinfo),
    revocation_endpoint: settings.revocationUrl ?? found.revocation_endpoint ?? below(revocation),
    end_session_endpoint: settings.logoutUrl ?? found.end_session_endpoint ?? below(logout),
  };
  const known = Object.entries(addresses).filter(([, value]) => value !== undefined);
  // as if userinfo were never signed: openid-client would take a signed answer without looking at its signature
  const { userinfo_signing_alg_values_supported: _, ...understood } = found;
  const metadata: oidc.ServerMetadata = { ...understood, ...Object.fromEntries(known) };
  checkAddresses(metadata, settings.issuer);
  return metadata;
}

/** Browsers and secrets are sent to these addresses: none of them may be a script, or leave https when the issuer has it. */
function checkAddresses(metadata: oidc.ServerMetadata, issuer: string): void {
  const isGood = (address: unknown): boolean =>
    typeof address === "string" &&
    isSafeAddress(address) &&
    (address.startsWith("https:") || issuer.startsWith("http:"));
  const bad = [
    ...REQUIRED.filter((name) => !isGood(metadata[name])),
    ...OPTIONAL.filter((name) => metadata[name] !== undefined && !isGood(metadata[name])),
  ];
  if (bad.length > 0)
    throw new PortalAuthError("discovery_invalid", { detail: `${bad.join(", ")}: missing or no https address` });
}
