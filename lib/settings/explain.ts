import { describePostLogoutUrl } from "../http/external-url.js";
import { isStoreAddress } from "../store/store-address.js";
import { hasEndpointsByHand } from "./endpoints-by-hand.js";
import { DEFAULTS, OptionsSchema, SECRETS, VARIABLES } from "./option-table.js";
import type { PortalAuthOptions } from "./options.js";
import { type Origin, type Settings, type Tried, tryOptions } from "./settings.js";

/** One option as it is in effect. */
export interface ExplainedOption {
  /** The name of the option in code. */
  readonly option: keyof PortalAuthOptions;
  /** Its environment variable, if it has one; NAME_FILE where the value was read from a file. */
  readonly variable: string | undefined;
  /** In words, and never a secret: of those only how long they are. Undefined where there is none. */
  readonly value: string | undefined;
  /** Where the value comes from. */
  readonly origin: Origin;
}

/**
 * The effective configuration: each option's value and where it comes from, secrets masked. It checks nothing: what is
 * wrong stands there as it was written.
 *
 * @param options as given to portalAuth()
 */
export function explain(options: PortalAuthOptions = {}, env?: NodeJS.ProcessEnv): ExplainedOption[] {
  return explainTried(tryOptions(options, env));
}

export function explainTried(tried: Tried): ExplainedOption[] {
  return (Object.keys(OptionsSchema.entries) as (keyof PortalAuthOptions)[]).map((option) => {
    const origin = tried.origins[option] ?? originOfDefault(option, tried);
    const variable = (VARIABLES as Partial<Record<string, string>>)[option];
    return {
      option,
      variable: variable && origin === "file" ? `${variable}_FILE` : variable,
      value: told(option, tried),
      origin,
    };
  });
}

const BY_PROFILE = { userinfoUrl: "userinfo", revocationUrl: "revocation", logoutUrl: "logout" } as const;

function originOfDefault(option: keyof PortalAuthOptions, { settings }: Tried): Origin {
  if (option === "nonce") return "profile";
  const endpoint = option in BY_PROFILE ? BY_PROFILE[option as keyof typeof BY_PROFILE] : undefined;
  return endpoint && settings?.profile.endpoints[endpoint] ? "profile" : "default";
}

function told(option: keyof PortalAuthOptions, { wished, settings }: Tried): string | undefined {
  const written = wished[option];
  if (written !== undefined) return masked(option, written);
  if (settings) return settledValue(option, settings);
  return inWords((DEFAULTS as Partial<Record<string, unknown>>)[option]);
}

/** What an option that nobody has written has come to. */
function settledValue(option: keyof PortalAuthOptions, settings: Settings): string | undefined {
  switch (option) {
    case "profile":
      return settings.profile.name;
    case "discoveryUrl":
      return hasEndpointsByHand(settings)
        ? "none: the endpoints are set"
        : `${settings.issuer}/.well-known/openid-configuration`;
    case "authorizationUrl":
    case "tokenUrl":
    case "jwksUrl":
      return hasEndpointsByHand(settings) ? undefined : "from discovery";
    case "idTokenAlg":
      return "RS256 if the provider announces it, else its other asymmetric algorithms";
    case "userinfoUrl":
    case "revocationUrl":
    case "logoutUrl": {
      const path: string | undefined = settings.profile.endpoints[BY_PROFILE[option]];
      return path === undefined ? "from discovery" : `from discovery, else ${settings.issuer}${path}`;
    }
    case "postLogoutRedirectUri":
      return describePostLogoutUrl(settings);
    case "lateCallbackPath":
      return "the start page";
    case "store":
      return DEFAULTS.store;
    case "secret":
    case "tokenEncryptionKey":
    case "clientSecret":
      return undefined;
    case "clock":
      return "Date.now";
    case "logger":
      return "the console";
    default:
      return inWords(settings[option]);
  }
}

const SECRET_OPTIONS = Object.entries(VARIABLES).flatMap(([option, variable]) =>
  SECRETS.includes(variable) && option !== "store" ? [option] : [],
);

const ADDRESSES: readonly string[] = [
  "issuer",
  "discoveryUrl",
  "internalUrl",
  "redirectUri",
  "authorizationUrl",
  "tokenUrl",
  "jwksUrl",
  "userinfoUrl",
  "revocationUrl",
  "logoutUrl",
  "postLogoutRedirectUri",
  "apiOrigins",
];

/** What is the application's own, whatever is in it. */
const OWN: readonly string[] = ["logger", "renderPage", "clock"];

function masked(option: string, written: unknown): string | undefined {
  if (option === "store") return typeof written === "string" ? placeOf(written) : "one of your own";
  if (OWN.includes(option)) return "one of your own";
  if (!SECRET_OPTIONS.includes(option)) return withoutPassword(option, inWords(written));
  const all = [written].flat().flatMap((one) => (option === "clientSecret" ? [one] : String(one).split(",")));
  const lengths = all.map((one) => String(one).trim().length);
  return `set, ${lengths.join(" and ")} characters`;
}

/**
 * Of a store's address what is no secret: no name, no password, no parameters. What is written otherwise than an address
 * of one of ours may be a password anywhere in it.
 */
function placeOf(address: string): string {
  const text = address.trim();
  if (text === DEFAULTS.store) return text;
  if (!isStoreAddress(text)) return "set, but no address of a store";
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname}`;
}

/** A name and a password in an address are refused; until then they stand there, in whichever way they were written. */
const withoutPassword = (option: string, text: string | undefined): string | undefined =>
  ADDRESSES.includes(option) && text?.includes("@") ? "an address with a name or a password" : text;

/** Functions and objects of the application by what they are; a list or an object of plain values as JSON. */
function inWords(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "function") return "a function";
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value, plainly);
  } catch {
    return "an object of your own";
  }
}

const plainly = (_name: string, member: unknown): unknown => {
  if (typeof member === "function") return "a function";
  return typeof member === "bigint" ? String(member) : member;
};
